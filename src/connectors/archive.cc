// gzip (RFC 1952, around the inflate of Boost.Beast) and the plain files of a tar.

#include "connectors/archive.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include <boost/beast/zlib/inflate_stream.hpp>
#include <boost/crc.hpp>

namespace segue {
namespace {

constexpr std::size_t kBytesMax = 32U << 20U;
constexpr std::size_t kTarBlock = 512;

// Where the compressed bytes begin; npos when the text is no gzip.
std::size_t EndOfGzipHeader(std::string_view bytes) {
  constexpr std::size_t kFixed = 10;
  if (bytes.size() < kFixed || bytes.substr(0, 3) != "\x1f\x8b\x08") {
    return std::string_view::npos;
  }
  const auto flags = static_cast<unsigned char>(bytes[3]);
  const auto byte = [&](std::size_t at) {
    return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : std::size_t{0};
  };
  std::size_t at = kFixed;
  if ((flags & 4U) != 0) {  // Extra fields, their length before them.
    at += 2 + byte(at) + byte(at + 1) * 256;
  }
  for (const unsigned text : {8U, 16U}) {  // A name and a comment, each ended by a zero byte.
    if ((flags & text) != 0) {
      const std::size_t zero = at < bytes.size() ? bytes.find('\0', at) : std::string_view::npos;
      if (zero == std::string_view::npos) {
        return zero;
      }
      at = zero + 1;
    }
  }
  at += (flags & 2U) != 0 ? 2 : 0;  // A checksum of the header.
  return at <= bytes.size() ? at : std::string_view::npos;
}

// Whether the end of a gzip, checksum and length of what was compressed, is that of the text.
bool EndsAs(std::string_view end, const std::string& text) {
  if (end.size() < 8) {
    return false;
  }
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;) {
      value = value << 8U | static_cast<unsigned char>(end[at + i]);
    }
    return value;
  };
  boost::crc_32_type checksum;
  checksum.process_bytes(text.data(), text.size());
  return number(0) == checksum.checksum() && number(4) == text.size();
}

std::optional<std::string> Inflate(std::string_view bytes) {
  boost::beast::zlib::inflate_stream stream;
  boost::beast::zlib::z_params params;
  params.next_in = bytes.data();
  params.avail_in = bytes.size();
  std::string out;
  std::string piece(1U << 16U, '\0');
  while (out.size() <= kBytesMax) {
    params.next_out = piece.data();
    params.avail_out = piece.size();
    boost::beast::error_code error;
    stream.write(params, boost::beast::zlib::Flush::sync, error);
    const std::size_t written = piece.size() - params.avail_out;
    out.append(piece, 0, written);
    if (error == boost::beast::zlib::error::end_of_stream) {
      return EndsAs(bytes.substr(bytes.size() - params.avail_in), out)
                 ? std::optional(std::move(out))
                 : std::nullopt;
    }
    if (error || written == 0) {
      return std::nullopt;  // Broken, or cut off.
    }
  }
  return std::nullopt;
}

// An octal number of a tar's header.
std::optional<std::size_t> Octal(std::string_view text) {
  std::size_t number = 0;
  bool any = false;
  for (const char c : text) {
    if (c >= '0' && c <= '7') {
      number = number * 8 + static_cast<std::size_t>(c - '0');
      any = true;
    } else if (any || (c != ' ' && c != '\0')) {
      break;
    }
  }
  return any ? std::optional(number) : std::nullopt;
}

}  // namespace

std::optional<std::vector<std::string>> ReadTarGz(std::string_view bytes) {
  const std::size_t begin = EndOfGzipHeader(bytes);
  if (begin == std::string_view::npos) {
    return std::nullopt;
  }
  const std::optional<std::string> tar = Inflate(bytes.substr(begin));
  if (!tar) {
    return std::nullopt;
  }
  std::vector<std::string> files;
  std::size_t at = 0;
  while (at + kTarBlock <= tar->size() && (*tar)[at] != '\0') {
    const std::string_view header = std::string_view(*tar).substr(at, kTarBlock);
    const std::optional<std::size_t> size = Octal(header.substr(124, 12));
    at += kTarBlock;
    if (!size || *size > tar->size() - at) {
      return std::nullopt;
    }
    if (const char type = header[156]; type == '0' || type == '\0') {
      files.push_back(tar->substr(at, *size));
    }
    at += (*size + kTarBlock - 1) / kTarBlock * kTarBlock;
  }
  return files;
}

}  // namespace segue
