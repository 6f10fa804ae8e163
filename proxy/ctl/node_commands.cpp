#include "proxy/ctl/node_commands.h"

#include "proxy/ctl/key_text.h"
#include "proxy/ctl/text.h"

namespace usher::ctl {

Result<void> show_nodes(const Daemon& daemon, const Console& console) {
  const auto nodes = daemon.get("/nodes");
  if (!nodes) {
    return Unexpected(nodes.error());
  }
  console.show(*nodes, [&] { return members_table(nodes->at("members")); });
  return {};
}

Result<void> forget_node(const Daemon& daemon, const Console& console, const std::string& node) {
  const auto outcome = daemon.post("/nodes/forget", nlohmann::json{{"node", node}});
  if (!outcome) {
    return Unexpected(outcome.error());
  }
  console.show(*outcome, [&] { return "forgotten: " + printable(node) + "\n"; });
  return {};
}

}  // namespace usher::ctl
