// Golden files: a text that a person has read and approved, in tests/golden.  UPDATE_GOLDEN=1
// writes them anew.

#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "support/temp_dir.h"

namespace segue {

inline void CheckGolden(const std::string& name, const std::string& text) {
  const std::string path = std::string(SEGUE_SOURCE_DIR) + "/tests/golden/" + name;
  if (const char* update = std::getenv("UPDATE_GOLDEN"); update != nullptr && *update == '1') {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  INFO("golden file: tests/golden/" << name << " (UPDATE_GOLDEN=1 writes it anew)");
  CHECK(text == ReadFile(path));
}

// A file or folder of the shared data that stands beside the checkout; nothing (and a word about
// it) where it is absent.
inline std::optional<std::string> Shared(const std::string& name) {
  const std::string path = std::string(SEGUE_SOURCE_DIR) + "/../shared/" + name;
  if (!std::filesystem::exists(path)) {
    MESSAGE("left out: ../shared/" << name << " is not here");
    return std::nullopt;
  }
  return path;
}

}  // namespace segue
