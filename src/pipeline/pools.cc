// Codes of offers, read from the files that the offers name.

#include <fmt/format.h>

#include "pipeline/pipeline.h"

namespace segue {
namespace {

// A million codes; more is another kind of file.
constexpr std::size_t kPoolBytesMax = 64UL * 1024 * 1024;
constexpr std::size_t kPieceBytes = 1024UL * 1024;

Result<std::string> ReadAll(FileReader& files, const std::string& path) {
  std::string text;
  while (true) {
    Result<std::string> piece = files.Read(path, text.size(), kPieceBytes);
    if (!piece) {
      return piece.error();
    }
    if (piece->empty()) {
      return text;
    }
    text += *piece;
    if (text.size() > kPoolBytesMax) {
      return Error("is larger than 64 MB: is it a list of codes?");
    }
  }
}

}  // namespace

std::string CodesInWords(const CodesTaken& taken) {
  std::string words = fmt::format("{} new codes", taken.added);
  words += taken.known > 0 ? fmt::format(", {} known", taken.known) : "";
  if (taken.elsewhere > 0) {
    words += fmt::format(", {} left out that belong to another offer", taken.elsewhere);
  }
  if (taken.bad > 0) {
    words += fmt::format(", {} left out that are no codes (the first in line {})", taken.bad,
                         taken.first_bad);
  }
  return words;
}

// A file is read again when its size or its time changed.
void Cycle::PullPools(CycleReport& report) {
  Database& db = state_.db();
  for (const Offer& offer : state_.workspace().offers) {
    if (offer.pool_file.empty()) {
      continue;
    }
    const std::vector<FileReader::Info> found = files_->List(offer.pool_file);
    if (found.empty()) {
      continue;  // Codes may come by hand; an empty pool says so itself.
    }
    const std::string setting = "offers.pool." + offer.id;
    const std::string seen =
        fmt::format("{} {} {}", offer.pool_file, found.front().bytes, found.front().changed);
    if (db.GetSetting(setting) == seen) {
      continue;
    }
    const Result<std::string> text = ReadAll(*files_, found.front().path);
    if (!text) {
      report.warnings.push_back(
          fmt::format("offer {}: {}: {}", offer.id, offer.pool_file, text.error().message()));
      continue;
    }
    Transaction work(db);
    const CodesTaken taken = state_.playbooks().offers().AddCodes(offer.id, *text);
    db.SetSetting(setting, seen);
    work.Commit();
    report.intake["codes"] += taken.added;
    if (taken.elsewhere + taken.bad > 0) {
      report.warnings.push_back(
          fmt::format("offer {}: {}: {}", offer.id, offer.pool_file, CodesInWords(taken)));
    }
  }
}

}  // namespace segue
