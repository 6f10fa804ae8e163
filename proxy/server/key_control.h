#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/base/secret.h"
#include "proxy/keyring/key_file.h"
#include "proxy/keyring/key_ring.h"
#include "proxy/keyring/ring_codec.h"

namespace usher::server {

// One keyd endpoint as the proxy sees it.
struct KeydEndpointState {
  std::string endpoint;  // as configured
  bool connected = false;
  std::string peer;                       // "uid=0 pid=712"; "" while not connected
  keyring::KeyRing::Version last_pushed;  // of its last RING on any connection; {0, 0}: none
  std::string error;                      // why it is not connected; "" when it is
};

// What operators may see of the ticket keys. No key bytes leave through here but by `ring`.
struct KeyStatus {
  std::string_view source;  // "embedded", "keyd", "file", "off"
  // What workers are to read: the source's keys, and those of an earlier source that still open.
  std::shared_ptr<const keyring::KeyRing> ring;  // never null
  // Of the ring as keyd pushed it; none without one.
  std::optional<keyring::RingDigest> pushed_digest;
  std::vector<keyring::KeyRing::Version> workers;  // what each worker reads now
  std::vector<KeydEndpointState> endpoints;        // with source "keyd"
  std::vector<std::string> files;                  // with source "file"
};

// A command that was not carried out, as the control socket answers it.
struct KeyRefusal {
  int status = 409;  // HTTP: 400 bad file or name, 404 no such key, 409 not here, 503 try again
  std::string why;   // for a person: what was expected, what to do
};

// The operator's hand on the ticket keys. Changes are for source = "embedded"; keyd and file
// sources refuse them with 409, naming their endpoints or files. Thread: main's loop. Owner: the
// server; outlives the admin pages.
class KeyControl {
 public:
  struct Changed {
    keyring::KeyRing::Version version;  // of the ring that is in force now
    std::size_t keys = 0;               // imported
  };

  virtual ~KeyControl() = default;

  virtual KeyStatus key_status() const = 0;
  // A new key seals from now on.
  virtual Result<Changed, KeyRefusal> rotate() = 0;
  // Removes the key and ends every lineage that began until now (DESIGN §5).
  virtual Result<Changed, KeyRefusal> revoke(const keyring::KeyName& name) = 0;
  // `usher` replaces the whole ring (only with `replace`: there is one); other formats add
  // open-only keys, `replace` lets them take the place of keys of the same name.
  virtual Result<Changed, KeyRefusal> import_keys(keyring::KeyFileFormat format, SecretBuffer bytes,
                                                  bool replace) = 0;
  // The ring in force as a file; from every source that has keys. HAProxy's format needs a next
  // key: with source = "embedded" it is made, and the next rotation promotes it.
  virtual Result<SecretBuffer, KeyRefusal> export_keys(keyring::KeyFileFormat format) = 0;
};

// What else the control socket may ask of the process; as SIGHUP and SIGTERM. Both return at once,
// /status tells the outcome. Thread: main's loop.
struct ProcessControl {
  std::function<void()> reload;
  std::function<void()> drain;
};

}  // namespace usher::server
