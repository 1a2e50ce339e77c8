// Fuzzes everything that decodes bytes of the ledger: whatever they are, the answer is a value or
// nothing.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ledger/chunk.h"
#include "ledger/chunk_meta.h"
#include "ledger/key_part.h"
#include "ledger/record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto block = segue::DecodeBlockBody(bytes); block && block->UnpackAll()) {
    segue::Record record;
    for (std::size_t row = 0; row < block->count(); ++row) {
      block->Fill(row, segue::RecordParts(), record);
    }
  }
  segue::DecodeBlock(bytes);
  segue::DecodeDirectory(bytes);
  segue::DecodeChunkMeta(bytes);
  segue::DecodeRecord(1, bytes);
  segue::ByteReader in(bytes);
  segue::ReadTexts(in, 64);
  if (const auto part = segue::KeyPart::Open(bytes)) {
    std::vector<std::uint64_t> places;
    if (const auto entries = part->All()) {
      for (const segue::KeyEntry& entry : *entries) {
        part->Find(entry.hash, places);
      }
    }
  }
  return 0;
}
