#include "proxy/ctl/commands.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "proxy/ctl/key_commands.h"
#include "proxy/ctl/key_text.h"
#include "proxy/ctl/node_commands.h"
#include "proxy/ctl/process_commands.h"
#include "proxy/ctl/session_commands.h"
#include "proxy/ctl/ticket_command.h"

namespace usher::ctl {
namespace {

const CLI::IsMember kFormats({"usher", "nginx", "haproxy"});

// A leaf of the tree: what it does when it was asked for. The options' values live in the command.
template <class Command>
CLI::App* add(CLI::App& parent, CommandLine& line, const char* name, const char* help,
              Command command) {
  CLI::App* const leaf = parent.add_subcommand(name, help);
  leaf->callback([&line, command] { line.command = command; });
  return leaf;
}

CLI::App& add_group(CLI::App& app, const char* name, const char* help) {
  CLI::App* const group = app.add_subcommand(name, help);
  group->require_subcommand(0, 1);  // none: `command` stays empty
  return *group;
}

void add_process_commands(CLI::App& app, CommandLine& line) {
  add(app, line, "status", "Listeners, backends, tickets, reloads", show_status);
  add(app, line, "reload", "Reload the configuration and tell how it went", reload);
  add(app, line, "drain", "Stop accepting and end when the connections have ended", drain);
}

void add_export(CLI::App& keys, CommandLine& line) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* const leaf = add(keys, line, "export", "Write the keys to a file",
                             [options](const Daemon& daemon, const Console& console) {
                               return export_keys(daemon, console, *options);
                             });
  leaf->add_option("--format", options->format, "usher (everything), nginx or haproxy")
      ->required()
      ->check(kFormats);
  leaf->add_flag("--secret-keys", options->secret_keys,
                 "I know that the file can open every session")
      ->required();
  leaf->add_option("--out", options->out, "File to write, mode 0600")->required();
  leaf->add_flag("--replace", options->replace, "Replace an existing file");
}

void add_import(CLI::App& keys, CommandLine& line) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* const leaf = add(keys, line, "import", "Take keys from a file",
                             [options](const Daemon& daemon, const Console& console) {
                               return import_keys(daemon, console, *options);
                             });
  leaf->add_option("--format", options->format,
                   "usher (the whole ring), nginx or haproxy (keys that open only)")
      ->required()
      ->check(kFormats);
  leaf->add_option("FILE", options->file, "The key file; - for standard input")->required();
  leaf->add_flag("--replace", options->replace, "Replace the ring, or keys of the same name");
}

void add_key_commands(CLI::App& app, CommandLine& line) {
  CLI::App& keys = add_group(app, "keys", "Ticket keys");
  add(keys, line, "show", "Names, states, ages, who has applied what; never key bytes", show_keys);
  auto now = std::make_shared<bool>(false);
  add(keys, line, "rotate", "Make a new key and let it seal once everybody has it",
      [now](const Daemon& daemon, const Console& console) {
        return rotate_keys(daemon, console, *now);
      })
      ->add_flag("--now", *now, "Do not wait for nodes that have not applied it");
  auto name = std::make_shared<std::string>();
  add(keys, line, "revoke", "Remove a key and end every session that began before",
      [name](const Daemon& daemon, const Console& console) {
        return revoke_key(daemon, console, *name);
      })
      ->add_option("NAME", *name, "The key's name or its unique beginning")
      ->required()
      ->check(
          [](const std::string& text) {
            return is_name_prefix(text) ? "" : "expected 4 to 32 hex digits, as `keys show` tells";
          },
          "HEX");
  add_export(keys, line);
  add_import(keys, line);
}

void add_node_commands(CLI::App& app, CommandLine& line) {
  CLI::App& nodes = add_group(app, "nodes", "The proxies of a fleet (usher-keyd's socket)");
  add(nodes, line, "show", "Who has applied which ring", show_nodes);
  auto node = std::make_shared<std::string>();
  add(nodes, line, "forget", "Wait for that node no more",
      [node](const Daemon& daemon, const Console& console) {
        return forget_node(daemon, console, *node);
      })
      ->add_option("NODE", *node)
      ->required();
}

void add_session_commands(CLI::App& app, CommandLine& line) {
  CLI::App& sessions = add_group(app, "sessions", "Session caches of a proxy");
  add(sessions, line, "stats", "What the memory tier holds, look-ups and stores, Redis",
      show_sessions);
  add(sessions, line, "flush",
      "Empty this proxy's memory tier; what Redis holds stays (`keys revoke` invalidates it)",
      flush_sessions);
}

void add_ticket_commands(CLI::App& app, CommandLine& line) {
  CLI::App& ticket = add_group(app, "ticket", "Session tickets; no daemon is asked");
  auto options = std::make_shared<DecodeOptions>();
  CLI::App* const leaf = add(ticket, line, "decode", "Show what a session ticket holds",
                             [options](const Daemon&, const Console& console) {
                               return decode_ticket(*options, console);
                             });
  leaf->add_option("TICKET", options->ticket,
                   "The ticket in hex or base64; a file with one, or with what `openssl s_client "
                   "-sess_out` wrote; - for standard input")
      ->required();
  leaf->add_option("--keys", options->keys, "Key file to open it with; nginx's may be several")
      ->take_all()
      ->expected(1);
  leaf->add_option("--format", options->format, "Of the key files, when the content does not tell")
      ->check(kFormats)
      ->needs("--keys");
}

}  // namespace

void add_commands(CLI::App& app, CommandLine& line) {
  app.require_subcommand(0, 1);
  app.fallthrough();  // --json may stand behind the command too
  app.add_option("--socket", line.socket, "Control socket of usher or usher-keyd")
      ->capture_default_str();
  app.add_flag("--json", line.json, "JSON for programs instead of text");
  add_process_commands(app, line);
  add_key_commands(app, line);
  add_node_commands(app, line);
  add_session_commands(app, line);
  add_ticket_commands(app, line);
}

Result<void> run(const CommandLine& line, const Console& console) {
  try {
    return line.command(Daemon(ControlClient(line.socket)), console);
  } catch (const nlohmann::json::exception& error) {
    return fail(std::string("the daemon's answer is of another shape than expected; is it of "
                            "another version? ") +
                error.what());
  }
}

}  // namespace usher::ctl
