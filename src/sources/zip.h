// Reads the archives in which exports come: a zip, and the gzip of each file within.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace segue {

struct ZipFile {
  std::string name;
  std::string_view packed;  // Within the archive.
  bool deflated = false;    // Else it stands there as it is.
  std::size_t bytes = 0;    // Unpacked.
  std::size_t checksum = 0;
};

// The files of an archive, without folders, in its order.  They stand in `bytes`.
// Error: it is no zip, cut off, encrypted, or packed in another way.
Result<std::vector<ZipFile>> ListZip(std::string_view bytes);

// The content of one file.  Error: it is damaged, or unpacks to more than `most` bytes.
Result<std::string> Unzip(const ZipFile& file, std::size_t most);

// The content of a gzip.  Error: the same.
Result<std::string> Gunzip(std::string_view bytes, std::size_t most);

}  // namespace segue
