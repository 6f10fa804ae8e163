"""Certificates for tests, made when asked for: authorities, servers, clients, revocation lists."""

import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_PEM = serialization.Encoding.PEM


def new_key(kind="ecdsa"):
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


class Issued:
    """A certificate with its key, in files."""

    def __init__(self, directory, name, key, certificate, above=()):
        self.certificate, self.private = certificate, key
        self.chain = pathlib.Path(directory) / f"{name}.pem"
        self.key = pathlib.Path(directory) / f"{name}.key"
        self.write(above)

    def write(self, above=()):
        self.chain.write_bytes(b"".join(c.public_bytes(_PEM) for c in (self.certificate, *above)))
        self.key.write_bytes(self.private.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self.key.chmod(0o600)

    def encrypt_key(self, password=b"secret"):
        self.key.write_bytes(self.private.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password)))

    @property
    def serial(self):
        return self.certificate.serial_number

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)


class Authority:
    """A certificate authority; .file is its certificate in PEM."""

    def __init__(self, directory, name="ca", parent=None):
        self.directory, self.name, self._parent = pathlib.Path(directory), name, parent
        self.directory.mkdir(exist_ok=True, parents=True)
        self.key = new_key()
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = parent or self
        self.certificate = (
            _builder(self._subject, signer._subject, self.key, *_validity())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .sign(signer.key, hashes.SHA256()))
        self.file = self.directory / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(_PEM))
        self._count = 0

    def intermediate(self, name):
        return Authority(self.directory, name, parent=self)

    def server(self, *names, kind="ecdsa", **more):
        return self._issue(names, kind, ExtendedKeyUsageOID.SERVER_AUTH, **more)

    def client(self, *names, kind="ecdsa", **more):
        return self._issue(names or ["client"], kind, ExtendedKeyUsageOID.CLIENT_AUTH, **more)

    def crl(self, *revoked, name="crl"):
        """The file of a revocation list with these certificates in it."""
        now = _now()
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self._subject)
                   .last_update(now - datetime.timedelta(hours=1))
                   .next_update(now + datetime.timedelta(days=1)))
        for issued in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(issued.serial)
                .revocation_date(now - datetime.timedelta(minutes=5)).build())
        path = self.directory / f"{name}.pem"
        path.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(_PEM))
        return path

    def _issue(self, names, kind, purpose, start=-3600, end=86400, key=None, common_name=None):
        self._count += 1
        key = key or new_key(kind)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name or names[0])])
        certificate = (
            _builder(subject, self._subject, key, *_validity(start, end))
            .add_extension(x509.SubjectAlternativeName([_alternative(n) for n in names]), False)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(_usage(digital_signature=True, key_encipherment=True), critical=True)
            .sign(self.key, hashes.SHA256()))
        above = [self.certificate] if self._parent else []
        file = f"{names[0].replace('*', '_').replace(':', '_')}-{kind}-{self.name}-{self._count}"
        return Issued(self.directory, file, key, certificate, above)


def _now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def _validity(start=-3600, end=86400):
    """Seconds from now."""
    return (_now() + datetime.timedelta(seconds=start), _now() + datetime.timedelta(seconds=end))


def _builder(subject, issuer, key, not_before, not_after):
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(not_before).not_valid_after(not_after))


def _alternative(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(**wanted):
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in every})
