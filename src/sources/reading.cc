// Which type of source is read by what.

#include "sources/reading.h"

#include <utility>

namespace segue {

Result<Batch> Reading::Next(std::string_view cursor, std::int64_t rows_max, bool columns) {
  if (source_.type == SourceType::kSql) {
    if (databases_ == nullptr) {
      return Error("a database cannot be read here");
    }
    if (!rows_) {
      rows_.emplace(source_, workspace_, *databases_);
    }
    return rows_->Next(cursor, rows_max);
  }
  if (source_.is_export()) {
    if (web_ == nullptr) {
      return Error("nobody is spoken to here");
    }
    if (!export_) {
      export_.emplace(source_, workspace_, *web_);
    }
    return export_->Next(cursor, rows_max);
  }
  if (files_ == nullptr) {
    return Error("files cannot be read here");
  }
  if (source_.type == SourceType::kJsonLines && lines_ == nullptr) {
    Result<std::unique_ptr<JsonLineReader>> lines = JsonLineReader::Make(source_, workspace_);
    if (!lines) {
      return lines.error();
    }
    lines_ = std::move(*lines);
  }
  return PullFiles(source_, workspace_, *files_, lines_.get(), cursor, rows_max, columns, look_);
}

}  // namespace segue
