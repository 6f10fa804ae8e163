#pragma once

#include <string>

#include "proxy/base/bytes.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/keyring/ticket_key.h"

// Opens and seals tickets beside OpenSSL, by RFC 5077 §4 alone: name | IV | AES-CBC | HMAC-SHA-256.
// So tests see what a ticket holds and can offer any ticket a holder of the key could make.
namespace usher::tls::test {

std::string der_of(const SSL_SESSION* session);
std::string der_of(const X509* certificate);
SslSessionPtr session_from(const std::string& der);

std::string ticket_of(const SSL_SESSION* client_session);
SslSessionPtr session_in(const std::string& ticket, const keyring::TicketKey& key);
std::string seal_ticket(const std::string& plain, const keyring::TicketKey& key);
std::string seal_ticket(SSL_SESSION* session, const keyring::TicketKey& key);

// The client's session with another ticket: what it will offer.
SslSessionPtr with_ticket(SSL_SESSION* client_session, const std::string& ticket);

// Fields of OpenSSL's SSL_SESSION that have no setter, by their context tag.
enum class SessionField : unsigned { kPeer = 3, kTicket = 10, kFlags = 13 };
SslSessionPtr with_field(SSL_SESSION* session, SessionField field, const std::string& der);

}  // namespace usher::tls::test
