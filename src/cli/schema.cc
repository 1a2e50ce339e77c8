// schema: what may stand in a document, as JSON Schema for editors.

#include "config/schema.h"

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/verbs.h"

namespace segue {
namespace {

void Write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text << '\n';
  out.close();
  if (!out) {
    throw Failure{kCannotReach, fmt::format("cannot write {}\n", path.string())};
  }
}

}  // namespace

int RunSchema(const SchemaOptions& options) {
  std::vector<std::string> kinds;
  for (int i = 0; i < kDocumentKinds; ++i) {
    kinds.emplace_back(KindName(static_cast<DocumentKind>(i)));
  }
  const auto kind = FindKind(options.kind);
  if (!options.kind.empty() && !kind) {
    throw Failure{kUsage, fmt::format("there is no kind of document `{}`: the kinds are {}\n",
                                      options.kind, Join(kinds, ", "))};
  }
  if (!options.type.empty()) {
    const auto schema =
        kind == DocumentKind::kConnector ? ConnectorSchema(options.type) : std::nullopt;
    if (!schema) {
      throw Failure{kUsage, fmt::format("there is no type of {} `{}`: docs/connectors.md has the "
                                        "types of connectors\n",
                                        options.kind, options.type)};
    }
    fmt::print("{}\n", *schema);
    return kFine;
  }
  if (options.folder.empty()) {
    fmt::print("{}\n", kind ? DocumentSchema(*kind) : AnyDocumentSchema());
    return kFine;
  }
  const std::filesystem::path folder(options.folder);
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  Write(folder / "segue.json", AnyDocumentSchema());
  for (const std::string& name : kinds) {
    Write(folder / (name + ".json"), DocumentSchema(*FindKind(name)));
  }
  fmt::print("Wrote {} schemas to {}; segue.json is the one of all documents.\n", kinds.size() + 1,
             options.folder);
  return kFine;
}

}  // namespace segue
