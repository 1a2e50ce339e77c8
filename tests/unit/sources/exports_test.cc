// Exports of Mixpanel and Amplitude, played: which calls are made, what becomes of the answers, and
// where a reading goes on.

#include <deque>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <zlib.h>

#include "sources/export_lines.h"
#include "unit/sources/jsonl_fixture.h"

namespace segue {
namespace {

// By Python's zipfile: a folder, and two gzips of which one is packed once more.
constexpr std::string_view kZipHex =
    "504b03041400000000000000615c000000000000000000000000070000003138373532302f504b03041400000000"
    "000000615cf62f83888a0000008a000000240000003138373532302f3138373532305f323032362d30332d30315f"
    "3723302e6a736f6e2e677a1f8b0800000000000203ab564a2d4bcd2b892fa92c4855b252f22f4a492d5208c8494c"
    "4e4d51d281c965e682e48c0c8ccc740d8c750d0c150cccad0c0dac0c0cf40cc000a8b2b438b5283e3305a8acd410"
    "c855c9cc030a944044320de1461514e51700c533538b95acaa95f241b679829438829424e6e697e695285999d6d6"
    "720100ca0768d798000000504b03041400000008000000615c3b93cdaf8500000082000000240000003138373532"
    "302f3138373532305f323032362d30332d30315f3723312e6a736f6e2e677a93efe660000126e6d5615ebade67b5"
    "3bf557ea78846e0afaa4efe5a91bc471c2d3c7cf37f052e3c9d4674d4f7a787ace94f0f694f2f288f29c59dbc3b3"
    "8687e78b0faf03c38a4d5b2cb66ad819b3ae587385e344e8c933cc5c531c5c8c7a1fb8898a3c1567386a1cdc3d75"
    "cdaaa99f1cb755364db190d2bc7aad88914170bb9e432fd06600504b010214031400000000000000615c00000000"
    "00000000000000000700000000000000000000008001000000003138373532302f504b0102140314000000000000"
    "00615cf62f83888a0000008a0000002400000000000000000000008001250000003138373532302f313837353230"
    "5f323032362d30332d30315f3723302e6a736f6e2e677a504b010214031400000008000000615c3b93cdaf850000"
    "00820000002400000000000000000000008001f10000003138373532302f3138373532305f323032362d30332d30"
    "315f3723312e6a736f6e2e677a504b05060000000003000300d9000000b80100000000";

std::string ZipBytes() {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < kZipHex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(kZipHex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

Reply Answer(int status, std::string body = "") {
  Reply reply;
  reply.kind = Reply::Kind::kAnswered;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

Reply Broken(Reply::Kind kind, std::string words) {
  Reply reply;
  reply.kind = kind;
  reply.error = std::move(words);
  return reply;
}

// A vendor that answers in the order of its list, and then with nothing.
class Player final : public HttpReader {
 public:
  TimePoint Now() override { return now; }

  Result<std::map<std::string, std::string>> Secrets(const Source&) override { return secrets; }

  Reply Perform(const Request& request) override {
    asked.push_back(request.url.substr(request.url.find('/', 8)));
    last = request;
    if (replies.empty()) {
      return otherwise;
    }
    Reply reply = std::move(replies.front());
    replies.pop_front();
    return reply;
  }

  TimePoint now = *ParseTime("2026-03-05T10:30:00Z", Zone());
  std::map<std::string, std::string> secrets = {{"token", "segue.1:s3cret-part"}};
  std::deque<Reply> replies;
  Reply otherwise = Answer(200);
  std::vector<std::string> asked;
  Request last;
};

Source MixpanelSource() {
  Source source;
  source.id = "history";
  source.type = SourceType::kMixpanel;
  source.type_name = "mixpanel";
  source.currency = "EUR";
  source.exports.overlap = kDay;
  source.exports.history = 2 * kDay;
  return source;
}

Source AmplitudeSource() {
  Source source = MixpanelSource();
  source.type = SourceType::kAmplitude;
  source.type_name = "amplitude";
  source.exports.overlap = 2 * kHour;
  source.exports.history = 3 * kHour;
  return source;
}

struct FetchedAll {
  std::vector<std::string> facts, bad, notes;
  std::vector<std::string> files;
  std::int64_t anonymous = 0, ignored = 0;
  std::string cursor, error;
  std::vector<std::string> cursors;  // After each batch.
};

FetchedAll FetchAll(const Source& source, Player& player, std::string cursor = "",
                    std::int64_t rows_max = 100) {
  const Workspace workspace = SegmentShop();
  Reading reading(source, workspace, nullptr, nullptr, false, &player);
  FetchedAll all;
  all.cursor = std::move(cursor);
  for (bool done = false; !done;) {
    const Result<Batch> batch = reading.Next(all.cursor, rows_max);
    if (!batch) {
      all.error = batch.error().message();
      return all;
    }
    for (const Fact& fact : batch->facts) {
      all.facts.push_back(AnyFactText(fact));
    }
    for (const BadRow& row : batch->bad) {
      all.bad.push_back(fmt::format("{}:{} {}: {}", row.file, row.line, row.column, row.reason));
    }
    all.notes.insert(all.notes.end(), batch->notes.begin(), batch->notes.end());
    all.anonymous += batch->anonymous;
    all.ignored += batch->ignored;
    all.cursor = batch->cursor;
    all.cursors.push_back(all.cursor);
    done = batch->done;
  }
  return all;
}

std::string MixpanelLine(const std::string& id, const std::string& more = "") {
  return R"({"event":"Order Placed","properties":{"time":1772352000,"distinct_id":"u1",)"
         R"("$insert_id":")" +
         id + R"(","orderId":"A1","amount":12.5)" + more + "}}\n";
}

using Texts = std::vector<std::string>;

TEST_CASE("mixpanel's export: a day at a time, today too, and on from the last whole day") {
  Player player;
  player.replies = {Answer(200, MixpanelLine("m1")), Answer(200), Answer(200, MixpanelLine("m2"))};
  const FetchedAll first = FetchAll(MixpanelSource(), player);
  CHECK(first.error == "");
  CHECK(player.asked == Texts{"/api/2.0/export?from_date=2026-03-03&to_date=2026-03-03",
                              "/api/2.0/export?from_date=2026-03-04&to_date=2026-03-04",
                              "/api/2.0/export?from_date=2026-03-05&to_date=2026-03-05"});
  CHECK(player.last.url.starts_with("https://data.mixpanel.com/"));
  CHECK(player.last.headers.at("Authorization") == "Basic c2VndWUuMTpzM2NyZXQtcGFydA==");
  CHECK(first.facts == Texts{"u1 2026-03-01T08:00:00Z 'A1' 1250 - - - - - key m1",
                             "u1 2026-03-01T08:00:00Z 'A1' 1250 - - - - - key m2"});
  CHECK(first.cursor == R"({"next":"2026-03-05T00:00:00Z"})");
  player.asked.clear();
  player.now += kDay;
  const FetchedAll second = FetchAll(MixpanelSource(), player, first.cursor);
  CHECK(player.asked == Texts{"/api/2.0/export?from_date=2026-03-04&to_date=2026-03-04",
                              "/api/2.0/export?from_date=2026-03-05&to_date=2026-03-05",
                              "/api/2.0/export?from_date=2026-03-06&to_date=2026-03-06"});
  CHECK(second.cursor == R"({"next":"2026-03-06T00:00:00Z"})");
}

TEST_CASE("mixpanel's lines: who, what, when and which") {
  Player player;
  player.secrets = {{"token", "project-secret"}, {"project", "77"}, {"url", "http://127.0.0.1:1/"}};
  const std::string rest = R"(,"distinct_id":"u1","$insert_id":"i")";
  player.replies = {Answer(
      200, MixpanelLine("a", R"(,"$user_id":"u9")") +
               R"({"event":"Order Placed","properties":{"time":1772352000123,)"
               R"("distinct_id":"$device:x"}})"
               "\r\n\n"
               R"({"event":"Unheard of","properties":{"time":1772352000)" +
               rest + "}}\n" + R"({"event":"Order Placed","properties":{"time":"noon")" + rest +
               "}}\n" +
               R"({"event":"Order Placed","properties":{"amount":"much","time":1772352000123)" +
               rest + "}}\n" + R"({"event":7,)" + "\n" + MixpanelLine("z"))};
  Source source = MixpanelSource();
  source.exports.history = Duration::zero();
  const FetchedAll pulled = FetchAll(source, player);
  CHECK(pulled.error == "");
  CHECK(player.last.url ==
        "http://127.0.0.1:1/api/2.0/export?from_date=2026-03-05&to_date=2026-03-05&project_id=77");
  CHECK(player.last.headers.at("Authorization") == "Basic cHJvamVjdC1zZWNyZXQ6");
  CHECK(pulled.facts == Texts{"u9 2026-03-01T08:00:00Z 'A1' 1250 - - - - - key a",
                              "u1 2026-03-01T08:00:00Z 'A1' 1250 - - - - - key z"});
  CHECK(pulled.anonymous == 1);
  CHECK(pulled.ignored == 1);
  REQUIRE(pulled.bad.size() == 3);
  CHECK(pulled.bad[0] ==
        "mixpanel 2026-03-05:5 properties.time: it is not the time in seconds since 1970");
  CHECK(pulled.bad[1].starts_with("mixpanel 2026-03-05:6 properties.amount: "));
  CHECK(pulled.bad[2].starts_with("mixpanel 2026-03-05:7 "));
}

TEST_CASE("mixpanel's times are wall times where the project's zone is named") {
  Player player;
  player.replies = {Answer(200, MixpanelLine("a"))};
  Source source = MixpanelSource();
  source.timezone = *Zone::Find("Asia/Tokyo");
  source.exports.history = Duration::zero();
  CHECK(FetchAll(source, player).facts ==
        Texts{"u1 2026-02-28T23:00:00Z 'A1' 1250 - - - - - key a"});
  player.asked.clear();
  player.now = *ParseTime("2026-03-05T20:00:00Z", Zone());
  FetchAll(source, player);
  CHECK(player.asked == Texts{"/api/2.0/export?from_date=2026-03-06&to_date=2026-03-06"});
}

TEST_CASE(
    "a crash after any batch reads the day again, and the position moves with whole days only") {
  const std::string day = MixpanelLine("a") + MixpanelLine("b") + MixpanelLine("c");
  Player player;
  player.replies = {Answer(200, day)};
  const FetchedAll pulled = FetchAll(MixpanelSource(), player, "", 2);
  REQUIRE(pulled.cursors.size() >= 3);
  CHECK(pulled.cursors[0] == "{}");
  CHECK(pulled.cursors[1] == "{}");
  CHECK(pulled.cursors[2] == R"({"next":"2026-03-04T00:00:00Z"})");
  for (const std::string& cursor : pulled.cursors) {
    Player again;
    again.replies = {Answer(200, day)};
    const FetchedAll rest = FetchAll(MixpanelSource(), again, cursor, 2);
    INFO(cursor);
    CHECK(rest.error == "");
    CHECK(rest.cursor == pulled.cursor);
    CHECK(again.asked.front() <= "/api/2.0/export?from_date=2026-03-04&to_date=2026-03-04");
  }
}

TEST_CASE("a vendor that has enough is left alone for as long as it says, and nothing is lost") {
  Player player;
  Reply enough = Answer(429, "slow down");
  enough.headers["retry-after"] = "3600";
  player.replies = {Answer(200, MixpanelLine("a")), enough};
  const FetchedAll first = FetchAll(MixpanelSource(), player);
  CHECK(first.error == "");
  CHECK(first.facts.size() == 1);
  CHECK(first.cursor == R"({"next":"2026-03-04T00:00:00Z","wait":"2026-03-05T11:30:00Z"})");
  REQUIRE(first.notes.size() == 1);
  CHECK(first.notes[0] ==
        "Mixpanel takes no more calls before 2026-03-05T11:30:00Z; events from "
        "2026-03-04 on are fetched then");
  player.asked.clear();
  const FetchedAll waits = FetchAll(MixpanelSource(), player, first.cursor);
  CHECK(player.asked.empty());
  CHECK(waits.cursor == first.cursor);
  CHECK(waits.notes.size() == 1);
  player.now += kHour;
  const FetchedAll later = FetchAll(MixpanelSource(), player, waits.cursor);
  CHECK(player.asked.front() == "/api/2.0/export?from_date=2026-03-03&to_date=2026-03-03");
  CHECK(later.cursor == R"({"next":"2026-03-05T00:00:00Z"})");
  player.replies = {Answer(429)};
  CHECK(FetchAll(MixpanelSource(), player, later.cursor).cursor.find("11:40:00Z") !=
        std::string::npos);
}

TEST_CASE("a long history is fetched in several readings, and each says where it stopped") {
  Player player;
  Source source = MixpanelSource();
  source.exports.history = 60 * kDay;
  const FetchedAll first = FetchAll(source, player);
  CHECK(player.asked.size() == 50);
  REQUIRE(first.notes.size() == 1);
  CHECK(first.notes[0] ==
        "events from 2026-02-23 on are fetched next time: 50 calls are enough at once");
  player.asked.clear();
  const FetchedAll second = FetchAll(source, player, first.cursor);
  CHECK(player.asked.front() == "/api/2.0/export?from_date=2026-02-22&to_date=2026-02-22");
  CHECK(second.notes.empty());
  CHECK(second.cursor == R"({"next":"2026-03-05T00:00:00Z"})");
}

TEST_CASE("what breaks off is an error, nothing of it is taken in, and no secret is told") {
  const auto error = [](const Source& source, const Reply& reply) {
    Player player;
    player.replies = {reply};
    const FetchedAll pulled = FetchAll(source, player);
    CHECK(pulled.facts.empty());
    CHECK(pulled.error.find("s3cret-part") == std::string::npos);
    return pulled.error;
  };
  const std::string line = MixpanelLine("a");
  CHECK(error(MixpanelSource(), Answer(200, line + line.substr(0, 60))) ==
        "Mixpanel, mixpanel 2026-03-03: its last line is not whole: it was cut off");
  CHECK(error(MixpanelSource(), Answer(200, line + "terminated early\n")).find("cut off") !=
        std::string::npos);
  CHECK(error(MixpanelSource(), Broken(Reply::Kind::kLost, "reset")) ==
        "Mixpanel did not answer as a whole: reset");
  CHECK(error(MixpanelSource(), Broken(Reply::Kind::kNotSent, "no host of s3cret-part")) ==
        "Mixpanel cannot be reached: [its words hold a secret]");
  CHECK(error(MixpanelSource(), Answer(401)).find("look at `auth`") != std::string::npos);
  CHECK(error(MixpanelSource(), Answer(400, "from_date is wrong\n")) ==
        "Mixpanel answers 400: from_date is wrong");
  CHECK(error(MixpanelSource(), Answer(404)) == "Mixpanel answers 404: ");
  CHECK(error(MixpanelSource(), Answer(503, "busy \x80")) ==
        "Mixpanel answers 503: [its words are no text]");
  const std::string zip = ZipBytes();
  for (std::size_t cut = 0; cut < zip.size(); cut += 7) {
    CHECK(error(AmplitudeSource(), Answer(200, zip.substr(0, cut))) ==
          "Amplitude, 20260305T07: the archive is damaged or cut off");
  }
  std::string damaged = zip;
  damaged[150] = static_cast<char>(damaged[150] ^ 1);
  CHECK(error(AmplitudeSource(), Answer(200, damaged)) ==
        "Amplitude, 187520/187520_2026-03-01_7#0.json.gz: it is damaged: its checksum is another");
  Player player;
  player.secrets["url"] = "http://api.example";
  CHECK(FetchAll(MixpanelSource(), player).error == "auth.url must begin with https://");
  CHECK(player.asked.empty());
  CHECK(FetchAll(MixpanelSource(), player, "7").error.find("stored position") != std::string::npos);
}

TEST_CASE("amplitude's export: hours that are two hours old, and whole days of what lies behind") {
  Player player;
  player.replies = {Answer(200, ZipBytes()), Answer(404, "no data"), Answer(200, ZipBytes())};
  const FetchedAll first = FetchAll(AmplitudeSource(), player);
  CHECK(first.error == "");
  CHECK(player.asked.front() == "/api/2/export?start=20260305T07&end=20260305T07");
  CHECK(first.facts.front() == "u1 2026-03-01T07:10:00Z 'A1' 500 - - - - - key i1");
  CHECK(first.facts.back() == "u2 2026-03-01T07:20:00.5Z 'A2' - - - - - - key i2");
  CHECK(first.cursor == R"({"next":"2026-03-05T08:00:00Z"})");
  Source source = AmplitudeSource();
  source.exports.history = 30 * kHour;  // From 04:30 of the day before.
  player.asked.clear();
  player.replies.clear();
  player.otherwise = Answer(404);
  FetchAll(source, player);
  CHECK(player.asked.size() == 20 + 8);
  source.exports.history = 60 * kHour;
  player.asked.clear();
  FetchAll(source, player);
  CHECK(player.asked.size() == 2 + 2 + 8);
  CHECK(player.asked[2] == "/api/2/export?start=20260303T00&end=20260303T23");
}

TEST_CASE(
    "amplitude's lines: who has no id is anonymous, and what is bad is named as it stands there") {
  const Workspace workspace = SegmentShop();
  const Source source = AmplitudeSource();
  const auto reader = MakeSegmentCalls(source, workspace, kAmplitudeCalls);
  REQUIRE(reader.has_value());
  const auto take = [&](const std::string& line) {
    Batch batch;
    (*reader)->Take(line, 1, batch);
    return !batch.facts.empty()  ? AnyFactText(batch.facts[0])
           : !batch.bad.empty()  ? batch.bad[0].column
           : batch.anonymous > 0 ? std::string("anonymous")
                                 : std::string("ignored");
  };
  const std::string order =
      R"({"event_type":"Order Placed","event_time":"2026-03-01 07:10:00.000001",)";
  CHECK(take(order + R"("user_id":null,"device_id":"d"})") == "anonymous");
  CHECK(take(order + R"("user_id":"u","$insert_id":null,"uuid":"x-1"})") ==
        "u 2026-03-01T07:10:00.000001Z - - - - - - - key x-1");
  CHECK(take(order + R"("user_id":"u","event_properties":{"amount":"much"}})") ==
        "event_properties.amount");
  CHECK(take(R"({"event_type":"Order Placed","user_id":"u"})") == "event_time");
  CHECK(take(R"({"event_type":"Session Start","event_time":"2026-03-01","user_id":"u"})") ==
        "ignored");
}

TEST_CASE("a gzip of several parts is read to its end, and no further than was allowed") {
  const auto packed = [](std::string_view text) {
    z_stream stream{};
    CHECK(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string in(text), out(text.size() + 200, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(out.size() - stream.avail_out);
    deflateEnd(&stream);
    return out;
  };
  const std::string one = packed("first "), two = packed("second");
  CHECK(*Gunzip(one + two, 100) == "first second");
  CHECK(*Gunzip(packed(std::string(1'000'000, 'x')), 1'000'000) == std::string(1'000'000, 'x'));
  CHECK_FALSE(Gunzip(packed(std::string(1'000'000, 'x')), 999'999).has_value());
  for (std::size_t cut = 0; cut < one.size(); ++cut) {
    CHECK_FALSE(Gunzip(one.substr(0, cut), 100).has_value());
  }
  CHECK_FALSE(Gunzip(one + "rest", 100).has_value());
  CHECK_FALSE(Gunzip("", 100).has_value());
}

TEST_CASE("`bad_rows: stop` stops an export at its first bad line") {
  Player player;
  player.replies = {Answer(200, MixpanelLine("a") + "{\"event\":7}\n")};
  Source source = MixpanelSource();
  source.stop_on_bad_rows = true;
  const FetchedAll pulled = FetchAll(source, player);
  CHECK(pulled.error.find("bad_rows: stop") != std::string::npos);
  CHECK(pulled.facts.empty());
}

}  // namespace
}  // namespace segue
