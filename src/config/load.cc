#include "config/load.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "config/compile.h"

namespace segue {
namespace {

bool IsWorkspaceFile(const std::filesystem::path& path, std::string_view folder) {
  const std::string extension = path.extension().string();
  return extension == ".yaml" || extension == ".yml" ||
         (folder == "templates" && extension == ".md") ||
         (folder == "config" && (extension == ".sql" || extension == ".csv"));
}

void AddFile(const std::filesystem::path& path, std::string shown, std::vector<SourceFile>& files,
             Diagnostics& diagnostics) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!error && size <= kFileBytesMax && in) {
    text << in.rdbuf();
  }
  const bool read = !error && size <= kFileBytesMax && !in.fail();
  if (!read && !(in.eof() || size == 0)) {
    diagnostics.push_back(Diagnostic{
        Severity::kError,
        "SG000",
        Place{},
        fmt::format("{}: {}", shown,
                    error || size <= kFileBytesMax ? "cannot be read" : "is larger than 10 MB"),
        {},
        "check the file and who may read it"});
    return;
  }
  files.push_back(SourceFile{std::move(shown), text.str()});
}

// The one workspace document; reports none and a second.
const Document* FindWorkspace(const std::vector<Document>& documents, const Names& names,
                              Report& report) {
  const Document* workspace = nullptr;
  for (const Document& document : documents) {
    if (document.kind != DocumentKind::kWorkspace) {
      continue;
    }
    if (workspace != nullptr) {
      report.Error("SG007", document.place, "a second workspace document", {},
                   "keep one of the two");
    } else {
      workspace = &document;
    }
  }
  if (workspace == nullptr && !names.AnyBroken()) {
    report.Error("SG006", Place{}, "no file has a `workspace:` document", {},
                 "write config/segue.yaml, beginning with `workspace: NAME`");
  }
  return workspace;
}

// Each in a file of its own behind the others, so that its places can be told apart.
void CompileEarlier(std::vector<PlaybookVersion> earlier, Names& names, const Compiler& compiler,
                    Workspace& workspace) {
  std::vector<Playbook> current = std::move(workspace.playbooks);
  for (PlaybookVersion& version : earlier) {
    // That of the files, or of a playbook that was taken away.
    const auto same = std::find_if(current.begin(), current.end(), [&](const Playbook& one) {
      return one.id == version.playbook && one.hash != version.hash;
    });
    if (same == current.end()) {
      continue;
    }
    workspace.playbooks.clear();
    const int file = static_cast<int>(workspace.files.size());
    workspace.files.push_back(std::move(version.file));
    Diagnostics problems;
    Report report(problems);
    std::vector<Document> documents;
    for (YamlDocument& part : ParseYaml(file, workspace.files.back().text, false, report)) {
      if (!part.broken && part.root.kind == Node::Kind::kMap) {
        Document document;
        document.kind = DocumentKind::kPlaybook;
        document.place = part.root.items.front().place;
        document.id = part.root.items.front().text;
        document.root = std::move(part.root);
        documents.push_back(std::move(document));
      }
    }
    ValidateDocuments(documents, names, report);
    if (!HasErrors(problems) && documents.size() == 1 && documents[0].id == version.playbook) {
      Compiler again(compiler, workspace.files, report);
      CompilePlaybook(again, documents[0]);
    }
    if (!HasErrors(problems) && workspace.playbooks.size() == 1) {
      workspace.earlier.push_back(std::move(workspace.playbooks.front()));
      workspace.earlier.back().hash = version.hash;
    }
  }
  workspace.playbooks = std::move(current);
}

}  // namespace

std::vector<SourceFile> ReadWorkspaceFiles(const std::string& root, Diagnostics& diagnostics) {
  std::vector<SourceFile> files;
  for (const std::string folder : {"config", "rules", "templates"}) {
    std::error_code error;
    std::vector<std::filesystem::path> paths;
    auto walk =
        std::filesystem::recursive_directory_iterator(std::filesystem::path(root) / folder, error);
    for (; !error && walk != std::filesystem::recursive_directory_iterator();
         walk.increment(error)) {
      if (walk->is_regular_file(error) && IsWorkspaceFile(walk->path(), folder)) {
        paths.push_back(walk->path());
      }
    }
    if (error && error != std::errc::no_such_file_or_directory) {
      diagnostics.push_back(Diagnostic{Severity::kError,
                                       "SG000",
                                       Place{},
                                       fmt::format("{}: {}", folder, error.message()),
                                       {},
                                       "check the folder and who may read it"});
    }
    std::sort(paths.begin(), paths.end());
    for (const auto& path : paths) {
      AddFile(path, path.lexically_relative(root).generic_string(), files, diagnostics);
    }
  }
  return files;
}

std::string DocumentAt(std::string_view text, int line) {
  const std::vector<std::string_view> lines = Lines(text);
  const auto begins = [&](std::size_t at) {
    return at < lines.size() && lines[at].starts_with("---");
  };
  std::size_t first = line > 0 ? static_cast<std::size_t>(line) - 1 : 0;
  while (first > 0 && !begins(first - 1)) {
    --first;
  }
  std::string document(first, '\n');
  for (std::size_t at = first; at < lines.size() && !begins(at); ++at) {
    document.append(lines[at]).push_back('\n');
  }
  return document;
}

Loaded LoadWorkspace(std::vector<SourceFile> files, std::shared_ptr<TextPool> pool,
                     bool tolerate_unbuilt, std::vector<PlaybookVersion> earlier) {
  Loaded loaded;
  loaded.files = std::move(files);
  for (SourceFile& file : loaded.files) {
    SimplifyText(file.text);
  }
  Report report(loaded.diagnostics, tolerate_unbuilt);
  Names names;
  std::vector<Document> documents = ReadDocuments(loaded.files, report, names);
  // Without a workspace nothing is declared, and every name would be unknown.
  if (FindWorkspace(documents, names, report) == nullptr) {
    return loaded;
  }
  ValidateDocuments(documents, names, report);
  auto workspace = std::make_unique<Workspace>();
  workspace->pool = std::move(pool);
  Compiler compiler(loaded.files, names, report, *workspace);
  compiler.Run(documents);
  Lint(*workspace, documents, report);
  if (report.full()) {
    loaded.diagnostics.push_back(
        Diagnostic{Severity::kError,
                   "SG000",
                   Place{},
                   fmt::format("more than {} problems: the rest is not shown", kDiagnosticsMax),
                   {},
                   "mend these first"});
  }
  if (!HasErrors(loaded.diagnostics)) {
    workspace->files = loaded.files;
    if (!report.full()) {
      CompileEarlier(std::move(earlier), names, compiler, *workspace);
    }
    loaded.workspace = std::move(workspace);
  }
  return loaded;
}

}  // namespace segue
