// The shipped library (config/, rules/, templates/), carried inside the program so that `init`
// needs nothing else.

#pragma once

#include <span>
#include <string_view>

namespace segue {

struct EmbeddedFile {
  std::string_view path;  // Relative to the workspace.
  std::string_view content;
};

std::span<const EmbeddedFile> EmbeddedFiles();

}  // namespace segue
