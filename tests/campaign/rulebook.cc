#include "campaign/rulebook.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "support/temp_dir.h"

namespace segue::campaign {
namespace {

constexpr std::string_view kOverlay = "rules/overlay.yaml";
// A dress of three kilobytes on each of half a million messages would be most of the state.
constexpr std::string_view kLayouts = "templates/layouts.yaml";
constexpr std::string_view kPlainLayout =
    "layout: default\nhtml: \"<p>{{ body }}</p><p>{{ sender.postal }} <a href=\\\"{{ "
    "links.unsubscribe }}\\\">stop</a></p>\"\ntext: \"{{ body }} {{ sender.postal }} {{ "
    "links.unsubscribe }}\"\n";
constexpr int kAllowedEvery = 7;  // So many addresses of all are allowed while it is guarded.

// What the library does not have and the campaign looks at: accounts, a tool that finds them, and
// one that does not.
struct Patch {
  std::string_view file, before, added;
};

constexpr std::array kAccounts = {
    Patch{"config/segue.yaml", "}\n\ntraits:", ", account_contact: account.contact"},
    Patch{"config/segue.yaml",
          "events:\n  order_placed:", "  account: {name: text, contact: text}\n"},
    Patch{"config/segue.yaml",
          "  - {model: rfm, to:", "  - {model: firm, to: [changes, members], field: firm_pace}\n"},
    Patch{"config/connectors.yaml", "writes: [care_level,", "match: {account: account}\n"},
    Patch{"config/connectors.yaml", "care_level,", "firm_pace, "},
};

void Add(std::vector<SourceFile>& files, const Patch& patch) {
  for (SourceFile& file : files) {
    const std::size_t at = file.text.find(patch.before);
    if (file.path == patch.file && at != std::string::npos) {
      file.text.insert(at, patch.added);
      return;
    }
  }
  throw std::runtime_error(fmt::format("{} holds no \"{}\"", patch.file, patch.before));
}

// Most tools honour a key; of these nobody knows.
bool Forgets(std::string_view connector) {
  return connector == "app" || connector == "ads";
}

Workspace Played(const Workspace& workspace) {
  Workspace played = workspace;
  for (ConnectorSettings& connector : played.connectors) {
    connector.type = "webhook";
    connector.dedupe = Forgets(connector.id) ? Dedupe::kNone : Dedupe::kKey;
    connector.parallel = 200;
    connector.retry.give_up_after = std::chrono::hours(20);
    connector.retry.first = std::chrono::minutes(10);
  }
  return played;
}

}  // namespace

std::unique_ptr<Rulebook> ReadRulebook(int customers) {
  Diagnostics problems;
  const std::string root = SEGUE_SOURCE_DIR;
  std::vector<SourceFile> files = ReadWorkspaceFiles(root, problems);
  for (SourceFile& file : files) {
    if (file.path == kLayouts) {
      file.text = kPlainLayout;
    }
  }
  for (const Patch& patch : kAccounts) {
    Add(files, patch);
  }
  files.push_back({std::string(kOverlay), ReadFile(root + "/tests/campaign/overlay.yaml")});
  auto book = std::make_unique<Rulebook>();
  book->checked = std::make_shared<const Checked>(CheckWorkspace(std::move(files)));
  if (book->checked->workspace == nullptr) {
    throw std::runtime_error(
        FormatDiagnostics(book->checked->diagnostics, book->checked->files, false));
  }
  book->open = Played(*book->checked->workspace);
  book->guarded = book->open;
  for (int i = 0; i < customers; i += kAllowedEvery) {
    book->guarded.allow_only.push_back(fmt::format("c{:05}@people.example", i));
  }
  for (ConnectorSettings& connector : book->guarded.connectors) {
    connector.dry_run = connector.id == "changes";
  }
  for (const Offer& offer : book->open.offers) {
    const std::string& pattern = offer.pool_pattern;
    book->code_prefixes.push_back(pattern.empty() ? "PARCEL-"
                                                  : pattern.substr(0, pattern.find("{{")));
  }
  std::sort(book->code_prefixes.begin(), book->code_prefixes.end());
  return book;
}

}  // namespace segue::campaign
