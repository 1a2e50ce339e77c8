#include "config/load.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "base/text.h"
#include "config/compile.h"

namespace segue {
namespace {

bool IsWorkspaceExtension(std::string_view extension, std::string_view folder) {
  return extension == ".yaml" || extension == ".yml" ||
         (folder == "templates" && extension == ".md") ||
         (folder == "config" && (extension == ".sql" || extension == ".csv"));
}

bool IsWorkspaceFile(const std::filesystem::path& path, std::string_view folder) {
  return IsWorkspaceExtension(path.extension().string(), folder);
}

void Refuse(std::string message, std::string advice, Diagnostics& diagnostics) {
  diagnostics.push_back(
      Diagnostic{Severity::kError, "SG000", Place{}, std::move(message), {}, std::move(advice)});
}

void AddFile(const std::filesystem::path& path, std::string shown, std::vector<SourceFile>& files,
             Diagnostics& diagnostics) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (!error && size > kFileBytesMax) {
    Refuse(shown + ": is larger than 10 MB", "split it", diagnostics);
    return;
  }
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  // What takes in nothing of an empty file has failed too.
  if (error || !in || (text.fail() && size > 0)) {
    Refuse(shown + ": cannot be read", "check the file and who may read it", diagnostics);
    return;
  }
  files.push_back(SourceFile{std::move(shown), text.str()});
}

// Emacs puts such a link, which leads nowhere, beside a file with changes that are not saved.
bool IsLockOfAnEditor(const std::filesystem::path& path) {
  return path.filename().string().starts_with(".#");
}

// The files and folders of one folder.  Nothing that may hold rules is passed over without a word.
class FolderLister {
 public:
  FolderLister(std::filesystem::path root, Diagnostics& diagnostics)
      : root_(std::move(root)), diagnostics_(diagnostics) {}

  // The files of a folder of the workspace and of all below it, sorted.
  std::vector<std::filesystem::path> Files(const std::string& folder) {
    files_.clear();
    folders_ = {root_ / folder};
    std::error_code ignored;
    if (!std::filesystem::exists(std::filesystem::symlink_status(folders_.front(), ignored))) {
      return {};  // Not every workspace has all of them.
    }
    while (!folders_.empty()) {
      const std::filesystem::path next = std::move(folders_.back());
      folders_.pop_back();
      std::error_code error;
      std::filesystem::directory_iterator entry(next, error);
      for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        Take(*entry, folder);
      }
      if (error) {
        Refuse(Shown(next) + ": " + error.message(), "check the folder and who may read it",
               diagnostics_);
      }
    }
    std::sort(files_.begin(), files_.end());
    return std::move(files_);
  }

  std::string Shown(const std::filesystem::path& path) const {
    return path.lexically_relative(root_).generic_string();
  }

 private:
  void Take(const std::filesystem::directory_entry& entry, const std::string& folder) {
    const std::filesystem::path& path = entry.path();
    std::error_code error, ignored;
    const std::filesystem::file_status status = entry.status(error);
    const bool link = entry.is_symlink(ignored);
    if (std::filesystem::is_directory(status) && link) {
      // One that leads back up would have no end.
      Refuse(Shown(path) + ": is a link to a folder, and these are not followed",
             "put the folder itself there, or links to its files", diagnostics_);
    } else if (std::filesystem::is_directory(status)) {
      folders_.push_back(path);
    } else if (std::filesystem::is_regular_file(status)) {
      const std::string extension = path.extension().string();
      if (IsWorkspaceExtension(extension, folder)) {
        files_.push_back(path);
      } else if (IsWorkspaceExtension(ToLower(extension), folder)) {
        Refuse(Shown(path) + ": is not read, since its name ends in " + extension,
               "rename it: " + ToLower(extension), diagnostics_);
      }
    } else if (link && error && !IsLockOfAnEditor(path)) {
      Refuse(Shown(path) + ": is a link that leads nowhere: " + error.message(),
             "mend the link, or remove it if what it stood for is to be gone", diagnostics_);
    } else if (!link && IsWorkspaceFile(path, folder)) {
      Refuse(Shown(path) + ": is no plain file", "put a file there", diagnostics_);
    }
  }

  std::filesystem::path root_;
  Diagnostics& diagnostics_;
  std::vector<std::filesystem::path> folders_, files_;
};

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
  FolderLister lister(root, diagnostics);
  for (const std::string folder : {"config", "rules", "templates"}) {
    for (const auto& path : lister.Files(folder)) {
      AddFile(path, lister.Shown(path), files, diagnostics);
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
