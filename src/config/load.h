// Reads a workspace's folders (config/, rules/, templates/) into a Workspace, and finds everything
// that is wrong with them.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/definitions.h"
#include "config/diagnostic.h"

namespace segue {

struct Loaded {
  // Set when nothing is an error.
  std::unique_ptr<Workspace> workspace;
  Diagnostics diagnostics;
  std::vector<SourceFile> files;
};

// The files below `root`, sorted by path; *.yaml, *.yml, *.md of templates, *.sql and
// *.csv of config.  Reads the disk.
// What cannot be read (a file, a folder, a link that leads nowhere) is an error: rules that are
// missing without a word would stop what they do.
std::vector<SourceFile> ReadWorkspaceFiles(const std::string& root, Diagnostics& diagnostics);

// Compiles files that are already in memory.  Every problem in every file is reported.
// What the language has but this program does not do yet is an error SG099 at its line, so that
// nothing runs that would do less than its file says; `tolerate_unbuilt` turns these into warnings,
// for tests of the parser.
// `earlier`: versions of playbooks that runs go on with.  One that no longer fits the files (it
// names an event that is gone) is left out, and its runs take the version of the files.
Loaded LoadWorkspace(std::vector<SourceFile> files, std::shared_ptr<TextPool> pool,
                     bool tolerate_unbuilt = false, std::vector<PlaybookVersion> earlier = {});

// The document that stands at that line of a file, alone, with as many empty lines before it as
// lines stood there.
std::string DocumentAt(std::string_view text, int line);

// The documents as one canonical text: keys in the order of their table, expressions printed,
// comments gone. Two sets of files with the same text mean the same.
std::string NormalisedText(const std::vector<SourceFile>& files);

}  // namespace segue
