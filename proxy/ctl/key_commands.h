#pragma once

#include <chrono>
#include <string>

#include "proxy/base/result.h"
#include "proxy/ctl/console.h"
#include "proxy/ctl/daemon.h"

// usherctl's commands for ticket keys: on a proxy with its own, and on usher-keyd. Errors are for a
// person. Key bytes go between the control socket and files through wiped memory only.
namespace usher::ctl {

Result<void> show_keys(const Daemon& daemon, const Console& console);
// Waits for a promotion that needs others' acknowledgements; after `patience` an error names who is
// waited for. `now` does not wait.
inline constexpr std::chrono::seconds kPromotionPatience(10);
Result<void> rotate_keys(const Daemon& daemon, const Console& console, bool now,
                         std::chrono::milliseconds patience = kPromotionPatience);
// `name`: a whole name or its unique beginning.
Result<void> revoke_key(const Daemon& daemon, const Console& console, const std::string& name);

struct ExportOptions {
  std::string format;  // "usher", "nginx", "haproxy"
  std::string out;     // written as secret_file.h says
  bool replace = false;
  bool secret_keys = false;  // the operator's word that he knows; the command line demands it
};
Result<void> export_keys(const Daemon& daemon, const Console& console,
                         const ExportOptions& options);

struct ImportOptions {
  std::string format;
  std::string file;  // "-": standard input
  bool replace = false;
};
Result<void> import_keys(const Daemon& daemon, const Console& console,
                         const ImportOptions& options);

}  // namespace usher::ctl
