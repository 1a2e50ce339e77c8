// A zip without a library for it: the list at its end names the files, zlib unpacks them.
//
// What exporters do not write is refused: several volumes, encryption, archives beyond 4 GB.

#include "sources/zip.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>
#include <zlib.h>

namespace segue {
namespace {

constexpr std::uint32_t kEndMark = 0x06054b50;
constexpr std::uint32_t kEntryMark = 0x02014b50;
constexpr std::uint32_t kLocalMark = 0x04034b50;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEntryBytes = 46;
constexpr std::size_t kLocalBytes = 30;
constexpr std::size_t kCommentMax = 65'535;
constexpr std::size_t kZipPieceBytes = 256 * 1024;

// A number of `count` bytes, the lowest first.  Requires: they are there.
std::uint32_t NumberAt(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint32_t number = 0;
  for (std::size_t i = count; i-- > 0;) {
    number = number << 8U | static_cast<unsigned char>(bytes[at + i]);
  }
  return number;
}

bool HasMark(std::string_view bytes, std::size_t at, std::size_t length, std::uint32_t mark) {
  return at <= bytes.size() && length <= bytes.size() - at && NumberAt(bytes, at, 4) == mark;
}

// Where the last record begins: a comment may follow it.
std::size_t EndOf(std::string_view bytes) {
  if (bytes.size() < kEndBytes) {
    return std::string_view::npos;
  }
  const std::size_t last = bytes.size() - kEndBytes;
  const std::size_t first = last - std::min(last, kCommentMax);
  for (std::size_t at = last + 1; at-- > first;) {
    if (NumberAt(bytes, at, 4) == kEndMark &&
        at + kEndBytes + NumberAt(bytes, at + 20, 2) == bytes.size()) {
      return at;
    }
  }
  return std::string_view::npos;
}

// Unpacks with zlib's inflate; `window` says which wrapping it expects.
Result<std::string> Inflated(std::string_view packed, int window, std::size_t most) {
  z_stream stream{};
  if (inflateInit2(&stream, window) != Z_OK) {
    return Error("out of memory");
  }
  std::string out, piece(kZipPieceBytes, '\0');
  std::size_t taken = 0;  // zlib counts in 32 bits.
  int state = Z_OK;
  while (state == Z_OK && out.size() <= most) {
    if (stream.avail_in == 0) {
      const std::string_view next = packed.substr(taken, kZipPieceBytes);
      // zlib does not write there; its type is from before const.
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(next.data()));
      stream.avail_in = static_cast<uInt>(next.size());
      taken += next.size();
    }
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    state = inflate(&stream, Z_NO_FLUSH);
    out.append(piece, 0, piece.size() - stream.avail_out);
    // A gzip may be several, one behind the other.
    const bool more = stream.avail_in > 0 || taken < packed.size();
    if (state == Z_STREAM_END && more && window > MAX_WBITS) {
      state = inflateReset(&stream);
    }
  }
  const bool whole = state == Z_STREAM_END && stream.avail_in == 0 && taken == packed.size();
  inflateEnd(&stream);
  if (out.size() > most) {
    return Error(fmt::format("it unpacks to more than {} bytes", most));
  }
  return whole ? Result<std::string>(std::move(out)) : Error("it is damaged or cut off");
}

}  // namespace

Result<std::vector<ZipFile>> ListZip(std::string_view bytes) {
  const Error damaged("the archive is damaged or cut off");
  const std::size_t end = EndOf(bytes);
  if (end == std::string_view::npos) {
    return damaged;
  }
  std::vector<ZipFile> files;
  std::size_t at = NumberAt(bytes, end + 16, 4);
  for (std::uint32_t left = NumberAt(bytes, end + 10, 2); left > 0; --left) {
    if (!HasMark(bytes, at, kEntryBytes, kEntryMark)) {
      return damaged;
    }
    const std::uint32_t method = NumberAt(bytes, at + 10, 2);
    const std::size_t packed = NumberAt(bytes, at + 20, 4);
    const std::size_t name = NumberAt(bytes, at + 28, 2);
    const std::size_t local = NumberAt(bytes, at + 42, 4);
    ZipFile file;
    file.checksum = NumberAt(bytes, at + 16, 4);
    file.bytes = NumberAt(bytes, at + 24, 4);
    file.name = bytes.substr(at + kEntryBytes, name);
    file.deflated = method == Z_DEFLATED;
    const bool encrypted = (NumberAt(bytes, at + 8, 2) & 1U) != 0;
    if (encrypted || (method != 0 && method != Z_DEFLATED)) {
      return Error(fmt::format("the archive has {} in a way that is not read here", file.name));
    }
    if (!HasMark(bytes, local, kLocalBytes, kLocalMark)) {
      return damaged;
    }
    const std::size_t begin =
        local + kLocalBytes + NumberAt(bytes, local + 26, 2) + NumberAt(bytes, local + 28, 2);
    if (begin > bytes.size() || packed > bytes.size() - begin) {
      return damaged;
    }
    file.packed = bytes.substr(begin, packed);
    if (!file.name.ends_with('/')) {
      files.push_back(std::move(file));
    }
    at += kEntryBytes + name + NumberAt(bytes, at + 30, 2) + NumberAt(bytes, at + 32, 2);
  }
  return files;
}

Result<std::string> Unzip(const ZipFile& file, std::size_t most) {
  if (file.bytes > most) {
    return Error(fmt::format("it unpacks to more than {} bytes", most));
  }
  constexpr int kRaw = -MAX_WBITS;
  Result<std::string> content = file.deflated ? Inflated(file.packed, kRaw, most)
                                              : Result<std::string>(std::string(file.packed));
  if (!content) {
    return content;
  }
  const auto* begin = reinterpret_cast<const Bytef*>(content->data());
  const auto checksum = crc32_z(0, begin, content->size());
  return content->size() == file.bytes && checksum == file.checksum
             ? content
             : Error("it is damaged: its checksum is another");
}

Result<std::string> Gunzip(std::string_view bytes, std::size_t most) {
  constexpr int kWithGzip = MAX_WBITS + 16;
  return Inflated(bytes, kWithGzip, most);
}

}  // namespace segue
