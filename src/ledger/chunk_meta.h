// What is kept in memory of every chunk: its ranges and its skip index.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/chunk.h"

namespace segue {

struct ChunkMeta {
  // Records that came to the journal again after others were sealed.  Apart, so that the ranges of
  // sequences of the other chunks stay narrow.
  bool again = false;
  std::size_t count = 0;
  std::int64_t min_time = 0, max_time = 0;
  Sequence min_sequence = 0, max_sequence = 0;
  std::vector<CustomerIndex> first;  // The skip index: first customer of each block …
  CustomerIndex last = 0;            // … and the last of all.
};

inline std::string EncodeChunkMeta(const ChunkMeta& meta) {
  ByteWriter out;
  out.Byte(meta.again ? 1 : 0);
  out.Varint(meta.count);
  out.Signed(meta.min_time);
  out.Signed(meta.max_time);
  out.Varint(meta.min_sequence);
  out.Varint(meta.max_sequence);
  out.Varint(meta.first.size());
  for (const CustomerIndex customer : meta.first) {
    out.Varint(customer);
  }
  out.Varint(meta.last);
  return out.Take();
}

inline std::optional<ChunkMeta> DecodeChunkMeta(std::string_view bytes) {
  ByteReader in(bytes);
  ChunkMeta meta;
  meta.again = in.Byte() != 0;
  meta.count = in.Varint();
  meta.min_time = in.Signed();
  meta.max_time = in.Signed();
  meta.min_sequence = in.Varint();
  meta.max_sequence = in.Varint();
  for (std::uint64_t left = in.Varint(); left > 0 && !in.failed(); --left) {
    meta.first.push_back(static_cast<CustomerIndex>(in.Varint()));
  }
  meta.last = static_cast<CustomerIndex>(in.Varint());
  return in.failed() || in.left() != 0 ? std::nullopt : std::optional(std::move(meta));
}

}  // namespace segue
