// Fetches an export stretch by stretch and reads its lines.
//
// The cursor that is stored:
//
//   {"next":"2026-03-05T00:00:00Z","wait":"2026-03-05T10:30:00Z"}
//
// `next` begins the first day or hour that was not fetched as a whole, by the clock on the vendor's
// wall.  `wait` is there where the vendor asked to be left alone until then.

#include "sources/exports.h"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "base/url.h"
#include "base/zone.h"
#include "sources/export_lines.h"

namespace segue {
namespace {

constexpr std::size_t kWordsShownMax = 200;
// Where the vendor says that it is too much and not for how long.
constexpr Duration kPauseUnasked = std::chrono::minutes(10);

TimePoint Floor(TimePoint time, Duration unit) {
  return FromMicros(ToMicros(time) - (ToMicros(time) % unit.count() + unit.count()) % unit.count());
}

// "2026-03-05" and "20260305T07".
std::string DayText(TimePoint time) {
  return FormatTime(time).substr(0, 10);
}

std::string HourText(TimePoint time) {
  std::string text = FormatTime(time).substr(0, 13);
  std::erase(text, '-');
  return text;
}

std::string MixpanelPath(TimePoint begin, TimePoint end) {
  return fmt::format("/api/2.0/export?from_date={}&to_date={}", DayText(begin),
                     DayText(end - kHour));
}

std::string AmplitudePath(TimePoint begin, TimePoint end) {
  return fmt::format("/api/2/export?start={}&end={}", HourText(begin), HourText(end - kHour));
}

// Mixpanel allows 60 calls in an hour, to all who use the project.
const ExportKind kMixpanelExport = {.vendor = "Mixpanel",
                                    .address = "https://data.mixpanel.com",
                                    .unit = kDay,
                                    .together = kDay,
                                    .delay = Duration::zero(),
                                    .current = true,
                                    .calls_max = 50,
                                    .zipped = false,
                                    .path = MixpanelPath,
                                    .shape = kMixpanelCalls};

const ExportKind kAmplitudeExport = {.vendor = "Amplitude",
                                     .address = "https://amplitude.com",
                                     .unit = kHour,
                                     .together = kDay,
                                     .delay = 2 * kHour,
                                     .current = false,
                                     .calls_max = 100,
                                     .zipped = true,
                                     .path = AmplitudePath,
                                     .shape = kAmplitudeCalls};

// Whether the last line is whole; an export that broke off ends with half of one, or with words.
bool EndsWhole(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  const std::size_t line = trimmed.rfind('\n');
  const std::string_view last = line == std::string_view::npos ? trimmed : trimmed.substr(line + 1);
  return last.empty() || (last.front() == '{' && last.back() == '}');
}

}  // namespace

ExportPull::ExportPull(const Source& source, const Workspace& workspace, HttpReader& web)
    : source_(source),
      workspace_(workspace),
      web_(web),
      kind_(source.type == SourceType::kMixpanel ? kMixpanelExport : kAmplitudeExport) {}

Result<Batch> ExportPull::Next(std::string_view cursor, std::int64_t rows_max) {
  std::optional<Error> error = begun_ ? std::nullopt : Begin(cursor);
  over_ = over_ || at_ > whole_ || (at_ == whole_ && !kind_.current);
  if (!error && !fetched_ && !over_) {
    error = Fetch();
  }
  Batch batch;
  if (!error && fetched_) {
    const Result<bool> open = OpenFile();
    if (!open) {
      error = open.error();
    } else if (*open) {
      TakeLines(std::max<std::int64_t>(rows_max, 1), batch);
      error = StoppedBy(source_, batch);
    } else {
      fetched_ = false;
      at_ = end_;
      if (end_ <= whole_) {
        next_ = next_ ? std::max(*next_, end_) : end_;
      }
    }
  }
  if (error) {
    begun_ = false;
    return *error;
  }
  batch.notes = std::exchange(notes_, {});
  batch.cursor = CursorText();
  batch.done = over_ && !fetched_;
  begun_ = !batch.done;
  return batch;
}

std::optional<Error> ExportPull::Begin(std::string_view cursor) {
  calls_ = 0;
  over_ = fetched_ = false;
  if (std::optional<Error> error = ReadCursor(cursor)) {
    return error;
  }
  if (lines_ == nullptr) {
    Result<std::unique_ptr<JsonLineReader>> lines =
        MakeSegmentCalls(source_, workspace_, kind_.shape);
    if (!lines) {
      return lines.error();
    }
    lines_ = std::move(*lines);
  }
  Result<std::map<std::string, std::string>> secrets = web_.Secrets(source_);
  if (!secrets) {
    return secrets.error();
  }
  secrets_ = std::move(*secrets);
  if (secrets_.contains("url") && !IsSafeUrl(secrets_["url"])) {
    return Error("auth.url must begin with https://");
  }
  const TimePoint now = web_.Now();
  const TimePoint wall = FromMicros(source_.timezone.ToLocal(now).micros);
  whole_ = Floor(wall - kind_.delay, kind_.unit);
  if (next_) {
    next_ = std::min(*next_, whole_);  // A clock that was wrong once hides nothing.
  }
  at_ =
      Floor(next_ ? *next_ - source_.exports.overlap : wall - source_.exports.history, kind_.unit);
  if (wait_ && *wait_ > now) {
    over_ = true;
    notes_.push_back(fmt::format("{} wants to be left alone until {}: nothing was fetched",
                                 kind_.vendor, FormatTime(*wait_)));
  } else {
    wait_.reset();
  }
  begun_ = true;
  return std::nullopt;
}

std::optional<Error> ExportPull::ReadCursor(std::string_view cursor) {
  next_.reset();
  wait_.reset();
  if (cursor.empty()) {
    return std::nullopt;
  }
  boost::json::error_code problem;
  const boost::json::value stored =
      boost::json::parse(boost::json::string_view(cursor.data(), cursor.size()), problem);
  const boost::json::object* object = problem ? nullptr : stored.if_object();
  bool bad = object == nullptr;
  for (const auto& [name, time] : {std::pair("next", &next_), std::pair("wait", &wait_)}) {
    const boost::json::value* value = object == nullptr ? nullptr : object->if_contains(name);
    if (value == nullptr) {
      continue;
    }
    const Result<TimePoint> read = value->is_string()
                                       ? ParseTime(std::string(value->get_string()), Zone())
                                       : Result<TimePoint>(Error("no text"));
    bad = bad || !read;
    *time = read ? std::optional(*read) : std::nullopt;
  }
  return bad ? std::optional(Error(
                   "the stored position of this source cannot be read; give the source another "
                   "name to read its events anew"))
             : std::nullopt;
}

std::string ExportPull::CursorText() const {
  boost::json::object object;
  if (next_) {
    object["next"] = FormatTime(*next_);
  }
  if (wait_) {
    object["wait"] = FormatTime(*wait_);
  }
  return boost::json::serialize(object);
}

// The stretch that begins at at_.
std::optional<Error> ExportPull::Fetch() {
  if (calls_ == kind_.calls_max) {
    over_ = true;
    notes_.push_back(
        fmt::format("events from {} on are fetched next time: {} calls are enough at "
                    "once",
                    DayText(at_), calls_));
    return std::nullopt;
  }
  ++calls_;
  const bool together = Floor(at_, kind_.together) == at_ && at_ + kind_.together <= whole_;
  end_ = at_ + (together ? kind_.together : kind_.unit);
  Reply reply = web_.Perform(RequestOf());
  files_.clear();
  file_ = 0;
  text_.clear();
  place_ = 0;
  // Amplitude's word for a stretch without events.
  const bool nothing = kind_.zipped && reply.status == 404;
  if (reply.kind != Reply::Kind::kAnswered || (reply.status != 200 && !nothing)) {
    return Failure(reply);
  }
  fetched_ = true;
  body_ = nothing ? std::string() : std::move(reply.body);
  if (!kind_.zipped) {
    files_.push_back({fmt::format("{} {}", source_.type_name, DayText(at_)), body_});
    return std::nullopt;
  }
  if (nothing) {
    return std::nullopt;
  }
  Result<std::vector<ZipFile>> files = ListZip(body_);
  if (!files) {
    return Error(fmt::format("{}, {}: {}", kind_.vendor, HourText(at_), files.error().message()));
  }
  files_ = std::move(*files);
  return std::nullopt;
}

Request ExportPull::RequestOf() const {
  const auto secret = [&](const std::string& name) {
    const auto found = secrets_.find(name);
    return found == secrets_.end() ? std::string() : std::string(Trim(found->second));
  };
  std::string address = secret("url").empty() ? std::string(kind_.address) : secret("url");
  address.resize(address.find_last_not_of('/') + 1);
  // A project's own secret is a user without a password; a service account has both.
  std::string token = secret("token");
  token += token.find(':') == std::string::npos ? ":" : "";
  Request request;
  request.method = "GET";
  request.url = address + kind_.path(at_, end_);
  if (const std::string project = secret("project"); !project.empty()) {
    request.url += "&project_id=" + UrlEncode(project);
  }
  request.headers["Authorization"] = "Basic " + Base64(token);
  request.timeout = source_.exports.timeout;
  return request;
}

// What an answer means that is not the wanted one; nothing where it only ends the reading.
std::optional<Error> ExportPull::Failure(const Reply& reply) {
  if (reply.kind != Reply::Kind::kAnswered) {
    return Error(fmt::format(
        "{} {}: {}", kind_.vendor,
        reply.kind == Reply::Kind::kNotSent ? "cannot be reached" : "did not answer as a whole",
        Words(reply.error)));
  }
  if (reply.status == 429) {
    const TimePoint now = web_.Now();
    const Duration asked = RetryAfter(reply, now);
    wait_ = now + (asked == Duration::zero() ? kPauseUnasked : asked);
    over_ = true;
    notes_.push_back(
        fmt::format("{} takes no more calls before {}; events from {} on are fetched "
                    "then",
                    kind_.vendor, FormatTime(*wait_), DayText(at_)));
    return std::nullopt;
  }
  if (reply.status == 401 || reply.status == 403) {
    return Error(fmt::format("{} refuses the credentials ({}): look at `auth` of this source",
                             kind_.vendor, reply.status));
  }
  return Error(fmt::format("{} answers {}: {}", kind_.vendor, reply.status, Words(reply.body)));
}

// The vendor's words, if no secret is among them.
std::string ExportPull::Words(std::string_view text) const {
  for (const auto& [name, secret] : secrets_) {
    for (const std::string_view part : Split(secret, ':')) {
      if (part.size() >= 4 && text.find(part) != std::string_view::npos) {
        return "[its words hold a secret]";
      }
    }
  }
  const std::string_view trimmed = Trim(text);
  std::string words;
  for (const char c : trimmed.substr(0, kWordsShownMax)) {
    words += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return IsUtf8(words) ? words : "[its words are no text]";
}

// Whether there is more to read of the stretch; the next file is unpacked where one is at its end.
Result<bool> ExportPull::OpenFile() {
  while (place_ >= text_.size()) {
    if (file_ >= files_.size()) {
      return false;
    }
    const ZipFile& file = files_[file_++];
    const auto refuse = [&](std::string_view why) {
      return Error(fmt::format("{}, {}: {}", kind_.vendor, file.name, why));
    };
    if (!kind_.zipped) {
      text_ = std::move(body_);
    } else {
      Result<std::string> content = Unzip(file, kExportFileBytesMax);
      if (content && file.name.ends_with(".gz")) {
        content = Gunzip(*content, kExportFileBytesMax);
      }
      if (!content) {
        return refuse(content.error().message());
      }
      text_ = std::move(*content);
    }
    if (!EndsWhole(text_)) {
      return refuse("its last line is not whole: it was cut off");
    }
    name_ = file.name.substr(file.name.rfind('/') + 1);
    place_ = 0;
    line_ = 0;
  }
  return true;
}

void ExportPull::TakeLines(std::int64_t rows_max, Batch& batch) {
  batch.file = name_;
  while (place_ < text_.size() && batch.rows < rows_max) {
    const std::size_t end = std::min(text_.find('\n', place_), text_.size());
    const std::string_view line = Trim(std::string_view(text_).substr(place_, end - place_));
    place_ = end + 1;
    ++line_;
    if (line.empty()) {
      continue;
    }
    if (line.size() > kCsvRowBytesMax) {
      ++batch.rows;
      SetAside(RowProblem("", "the line is too long"), line, line_, batch);
    } else {
      lines_->Take(line, line_, batch);
    }
  }
  batch.bytes_done = std::min(place_, text_.size());
  batch.bytes_all = text_.size();
}

}  // namespace segue
