#include "daemon/web.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "connectors/inbound.h"
#include "daemon/calls.h"
#include "daemon/pages.h"
#include "pipeline/answers.h"
#include "pipeline/links.h"
#include "sources/csv.h"

namespace segue {
namespace {

constexpr std::array<std::string_view, 7> kCallTypes = {"track", "identify", "group", "alias",
                                                        "page",  "screen",   "batch"};
// How far the clock of who signs may be from ours.
constexpr Duration kSignatureLife = std::chrono::minutes(5);
constexpr std::string_view kMailChannel = "email";
constexpr std::string_view kPreferences = "/preferences/";
// A form of ours with all its topics, and a mail program's one click.
constexpr std::size_t kFormBytesMax = 16 * 1024;
// Segment's libraries send batches of at most 500 KB.
constexpr std::size_t kPushBytesMax = std::size_t{1} << 20U;

WebTurn Plain(int status, std::string words) {
  WebTurn turn;
  turn.reply.status = status;
  turn.reply.body = std::move(words) + "\n";
  return turn;
}

WebTurn NotFound() {
  return Plain(404, "there is nothing here");
}

WebTurn WrongMethod(std::string allowed) {
  WebTurn turn = Plain(405, "not like this");
  turn.reply.headers["Allow"] = std::move(allowed);
  return turn;
}

bool Looks(const WebRequest& request) {
  return request.method == "GET" || request.method == "HEAD";
}

// Pages may not be put into a frame, run a script, or tell another site whose they are.
WebTurn PageTurn(std::string html) {
  WebTurn turn;
  turn.reply.type = "text/html; charset=utf-8";
  turn.reply.headers = {
      {"Content-Security-Policy",
       "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"},
      {"Referrer-Policy", "no-referrer"},
      {"Cache-Control", "no-store"}};
  turn.reply.body = std::move(html);
  return turn;
}

PageFrame FrameOf(const Workspace& workspace) {
  const std::string& from = workspace.sender_from;
  const std::size_t end = from.find('<');
  const std::string name(Trim(std::string_view(from).substr(0, end)));
  return {name.empty() ? from : name, workspace.sender_postal};
}

// The keys that what we wrote may be signed with.
std::vector<LinkSigner> SignersOf(const Site& site) {
  std::vector<LinkSigner> all = {{site.links_key, site.workspace().id}};
  for (const std::string& key : site.old_links_keys) {
    all.push_back({key, site.workspace().id});
  }
  return all;
}

std::optional<std::string> PersonOf(const Site& site, std::string_view path) {
  std::optional<std::string> person;
  for (const LinkSigner& signer : SignersOf(site)) {
    person = person ? person : PersonOfPath(signer, path);
  }
  return person;
}

std::optional<TrackedLink> LinkOf(const Site& site, std::string_view path, std::string* rest) {
  std::optional<TrackedLink> link;
  for (const LinkSigner& signer : SignersOf(site)) {
    link = link ? link : TrackedOfPath(signer, path, rest);
  }
  return link;
}

SpoolLine Line(const OwnAnswer& answer) {
  return {std::string(kAnswersStream), FormatAnswer(answer)};
}

std::string TraitNamed(const Workspace& workspace, int trait) {
  return workspace.schema.customer_traits[static_cast<std::size_t>(trait)].name;
}

// What "no more of these" means here: no to mail where the workspace has a trait for that, else
// nothing at all.
OwnAnswer NoMore(const Workspace& workspace, TimePoint now) {
  OwnAnswer answer{
      .kind = OwnAnswer::Kind::kSuppress, .at = now, .what = std::string(kUnsubscribed)};
  const auto consent = workspace.consent.find(std::string(kMailChannel));
  if (consent != workspace.consent.end()) {
    answer.kind = OwnAnswer::Kind::kConsent;
    answer.what = TraitNamed(workspace, consent->second);
    answer.about = AboutOf(workspace, consent->second);
  }
  return answer;
}

WebTurn BadLink(const Site& site) {
  WebTurn turn =
      PageTurn(WordPage(FrameOf(site.workspace()), "This link does not work",
                        "It may have been cut in two by a mail program. Open it from the "
                        "message again, or answer to the message."));
  turn.reply.status = 404;
  return turn;
}

WebTurn Unsubscribe(const Site& site, const WebRequest& request, std::string_view path,
                    TimePoint now) {
  const std::optional<std::string> customer = PersonOf(site, path);
  if (!customer) {
    return BadLink(site);
  }
  const PageFrame frame = FrameOf(site.workspace());
  OwnAnswer answer = NoMore(site.workspace(), now);
  if (Looks(request)) {
    return PageTurn(UnsubscribePage(frame, answer.kind == OwnAnswer::Kind::kSuppress));
  }
  if (request.method != "POST") {
    return WrongMethod("GET, POST");
  }
  answer.customer = *customer;
  answer.on_page = true;
  WebTurn turn = PageTurn(WordPage(frame, "Done",
                                   "You will get no more of these mails. One that is "
                                   "on its way already may still arrive."));
  turn.lines.push_back(Line(answer));
  return turn;
}

// The traits that a person can answer about: mail as a whole, then topic by topic.
std::vector<std::pair<std::string, std::string>> Questions(const Workspace& workspace) {
  std::vector<std::pair<std::string, std::string>> all;
  const auto mail = workspace.consent.find(std::string(kMailChannel));
  if (mail != workspace.consent.end()) {
    all.emplace_back(TraitNamed(workspace, mail->second), "Newsletters and offers by mail");
  }
  for (const auto& [topic, trait] : workspace.topic_consent) {
    std::string words = "About: " + topic;
    std::replace(words.begin(), words.end(), '_', ' ');
    all.emplace_back(TraitNamed(workspace, trait), std::move(words));
  }
  return all;
}

// A form as browsers send it; what is not well-formed is left out.
std::map<std::string, std::string> FormOf(std::string_view body) {
  std::map<std::string, std::string> form;
  for (const std::string_view field : Split(body, '&')) {
    const std::size_t equals = std::min(field.find('='), field.size());
    const auto name = UrlDecode(field.substr(0, equals));
    const auto value = UrlDecode(field.substr(std::min(equals + 1, field.size())));
    if (name && value) {
      form[*name] = *value;
    }
  }
  return form;
}

// What a person is told of their own answer.
std::string InWords(const std::optional<InForce>& in_force, const std::string& trait) {
  if (!in_force) {
    return "";
  }
  const auto answer = in_force->answers.find(trait);
  return answer == in_force->answers.end() ? "You have not told us yet."
         : answer->second                  ? "Now: yes, you get these."
                                           : "Now: no, you do not get these.";
}

WebTurn Preferences(const Site& site, const WebRequest& request, std::string_view path,
                    TimePoint now, const std::optional<InForce>& in_force) {
  const std::optional<std::string> customer = PersonOf(site, path);
  if (!customer) {
    return BadLink(site);
  }
  const auto questions = Questions(site.workspace());
  if (questions.empty()) {
    return Unsubscribe(site, request, path, now);
  }
  const PageFrame frame = FrameOf(site.workspace());
  if (Looks(request)) {
    std::vector<Choice> topics;
    for (const auto& [trait, words] : questions) {
      topics.push_back({trait, words, InWords(in_force, trait)});
    }
    return PageTurn(PreferencesPage(frame, topics, in_force && in_force->stopped));
  }
  if (request.method != "POST") {
    return WrongMethod("GET, POST");
  }
  WebTurn turn = PageTurn(WordPage(frame, "Thank you", "Your choice is kept."));
  const std::map<std::string, std::string> form = FormOf(request.body);
  for (const auto& [trait, words] : questions) {
    const auto said = form.find(trait);
    if (said != form.end() && (said->second == "yes" || said->second == "no")) {
      turn.lines.push_back(Line(
          {.kind = OwnAnswer::Kind::kConsent,
           .at = now,
           .customer = *customer,
           .what = trait,
           .about = AboutOf(site.workspace(), *site.workspace().schema.FindCustomerTrait(trait)),
           .yes = said->second == "yes",
           .on_page = true}));
    }
  }
  return turn;
}

// Whoever opens it ahead of the reader follows nothing: mail programs say so, where they do.
bool IsAhead(const WebRequest& request) {
  for (const char* name : {"purpose", "sec-purpose", "x-purpose", "x-moz"}) {
    const auto said = request.headers.find(name);
    if (said != request.headers.end() && said->second.find("prefetch") != std::string::npos) {
      return true;
    }
  }
  return false;
}

WebTurn Follow(const Site& site, const WebRequest& request, std::string_view path, TimePoint now) {
  std::string rest;
  const std::optional<TrackedLink> link = LinkOf(site, path, &rest);
  const Workspace& workspace = site.workspace();
  const auto target = link ? workspace.links.find(link->link) : workspace.links.end();
  if (target == workspace.links.end()) {
    return BadLink(site);
  }
  if (!Looks(request)) {
    return WrongMethod("GET");
  }
  const bool clean =
      std::all_of(rest.begin(), rest.end(), [](char c) { return c > ' ' && c < 0x7f; });
  WebTurn turn;
  turn.reply.status = 302;
  turn.reply.headers = {{"Location", workspace.links_base + target->second + (clean ? rest : "")},
                        {"Cache-Control", "no-store"},
                        {"Referrer-Policy", "no-referrer"}};
  turn.anyway = true;  // A shop that sells is worth more than a count.
  if (request.method == "GET" && !IsAhead(request)) {
    turn.lines.push_back(Line({.kind = OwnAnswer::Kind::kClick,
                               .at = now,
                               .customer = link->customer,
                               .what = link->link,
                               .template_id = link->template_id}));
  }
  return turn;
}

std::string HeaderOf(const WebRequest& request, const std::string& name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? "" : found->second;
}

// `Authorization: Bearer TOKEN`, or Basic with the token as its user, as Segment's libraries do.
std::string TokenOf(const WebRequest& request) {
  const std::string header = HeaderOf(request, "authorization");
  const std::size_t space = header.find(' ');
  const std::string scheme = ToLower(header.substr(0, space));
  std::string value(Trim(std::string_view(header).substr(std::min(space, header.size()))));
  if (scheme == "bearer") {
    return value;
  }
  if (scheme != "basic") {
    return "";
  }
  const std::string pair = FromBase64(value).value_or("");
  return pair.substr(0, pair.find(':'));
}

const Source* SourceOfToken(const Site& site, const std::string& token) {
  const Source* found = nullptr;
  for (const Source& source : site.workspace().sources) {
    const auto secret = site.push_secrets.find(source.id);
    if (source.type_name == "http" && secret != site.push_secrets.end() && !token.empty() &&
        SameSecret(secret->second, token)) {
      found = &source;
    }
  }
  return found;
}

WebTurn Taken(const std::string& stream, const Result<std::vector<std::string>>& lines) {
  if (!lines) {
    return Plain(400, lines.error().message());
  }
  WebTurn turn;
  turn.reply.type = "application/json";
  turn.reply.body = R"({"success":true})"
                    "\n";
  for (const std::string& line : *lines) {
    if (line.size() >= kCsvRowBytesMax) {  // As the source reads it, with what we add.
      return Plain(413, "one call or row has less than 1 MB");
    }
    turn.lines.push_back({stream, line});
  }
  return turn;
}

WebTurn TakeCalls(const Site& site, const WebRequest& request, std::string_view type,
                  TimePoint now) {
  if (std::find(kCallTypes.begin(), kCallTypes.end(), type) == kCallTypes.end()) {
    return NotFound();
  }
  if (request.method != "POST") {
    return WrongMethod("POST");
  }
  const Source* source = SourceOfToken(site, TokenOf(request));
  if (source == nullptr) {
    WebTurn turn = Plain(401, "no source has this token");
    turn.reply.headers["WWW-Authenticate"] = "Basic realm=\"segue\"";
    return turn;
  }
  return Taken(source->id, LinesOfCalls(type, request.body, now));
}

// "t=SECONDS,v1=HEX", as our own hooks are signed: HEX = HMAC-SHA256(secret, "SECONDS." + body).
bool IsSigned(const WebRequest& request, const std::string& secret, TimePoint now) {
  const std::string header = HeaderOf(request, "segue-signature");
  std::string seconds_text, hex;
  for (const std::string_view part : Split(header, ',')) {
    const std::string_view field = Trim(part);
    if (field.starts_with("t=")) {
      seconds_text = field.substr(2);
    } else if (field.starts_with("v1=")) {
      hex = field.substr(3);
    }
  }
  std::int64_t seconds = 0;
  const char* const end = seconds_text.data() + seconds_text.size();
  const auto [read, problem] = std::from_chars(seconds_text.data(), end, seconds);
  constexpr std::int64_t kSecondsMax = 100'000'000'000;  // Beyond it times overflow.
  if (problem != std::errc() || read != end || seconds < 0 || seconds > kSecondsMax) {
    return false;
  }
  const Duration off = now - FromMicros(seconds * 1'000'000);
  return off <= kSignatureLife && off >= -kSignatureLife &&
         SameSecret(HmacSha256Hex(secret, seconds_text + "." + request.body), hex);
}

// The secret of a source of signed rows; null: there is none of this name.
const std::string* SecretOfRows(const Site& site, std::string_view id) {
  const std::vector<Source>& sources = site.workspace().sources;
  const bool known = std::any_of(sources.begin(), sources.end(), [&](const Source& one) {
    return one.type_name == "webhook" && one.id == id;
  });
  const auto secret = site.push_secrets.find(std::string(id));
  return known && secret != site.push_secrets.end() ? &secret->second : nullptr;
}

WebTurn TakeRows(const Site& site, const WebRequest& request, std::string_view id, TimePoint now) {
  if (request.method != "POST") {
    return WrongMethod("POST");
  }
  const std::string* const secret = SecretOfRows(site, id);
  if (secret == nullptr || !IsSigned(request, *secret, now)) {
    return Plain(401, "there is no such source, or the signature does not fit");
  }
  return Taken(std::string(id), LinesOfRows(request.body));
}

WebTurn TakeHook(const Site& site, const WebRequest& request, std::string_view path,
                 std::string_view query, TimePoint now) {
  for (const ConnectorSettings& connector : site.workspace().connectors) {
    const auto inbound = connector.text.find("inbound.path");
    const auto secrets = site.hook_secrets.find(connector.id);
    if (inbound == connector.text.end() || inbound->second != path ||
        secrets == site.hook_secrets.end()) {
      continue;
    }
    const HookAnswer said =
        ReadHook(connector, secrets->second,
                 {request.method, std::string(query), request.headers, request.body});
    if (const auto* refusal = std::get_if<HookRefusal>(&said)) {
      return Plain(refusal->status, refusal->words);
    }
    WebTurn turn = Plain(200, "thank you");
    for (const VendorNews& news : std::get<std::vector<VendorNews>>(said)) {
      OwnAnswer answer{.kind = OwnAnswer::Kind::kSuppress,
                       .at = news.when.value_or(now),
                       .what = std::string(VendorNewsName(news.kind))};
      if (news.kind == VendorNews::Kind::kOptOut) {
        answer = NoMore(site.workspace(), answer.at);
      }
      answer.customer = news.customer_key;
      answer.address = news.address;
      turn.lines.push_back(Line(answer));
    }
    return turn;
  }
  return NotFound();
}

std::string_view PathOf(std::string_view target) {
  return target.substr(0, target.find('?'));
}

// What a request with a body that nobody reads is refused for.
WebTurn TooLong(const Site& site, WebRequest request, TimePoint now) {
  request.cut = false;
  WebTurn turn = AnswerWeb(site, request, now);
  return turn.reply.status > 400 ? turn : Plain(413, "too long a body");
}

}  // namespace

std::size_t BodyBytesMax(const Site& site, const WebRequest& head) {
  const std::string_view path = PathOf(head.target);
  constexpr std::string_view kRows = "/v1/rows/";
  bool pushes = false;
  if (path.starts_with(kRows)) {
    pushes = SecretOfRows(site, path.substr(kRows.size())) != nullptr;
  } else if (path.starts_with("/v1/")) {
    pushes = SourceOfToken(site, TokenOf(head)) != nullptr;
  } else if (path.starts_with("/hooks/")) {
    const std::vector<ConnectorSettings>& all = site.workspace().connectors;
    pushes = std::any_of(all.begin(), all.end(), [&](const ConnectorSettings& connector) {
      const auto inbound = connector.text.find("inbound.path");
      return inbound != connector.text.end() && inbound->second == path;
    });
  }
  return pushes ? kPushBytesMax : kFormBytesMax;
}

bool MayAskOfService(const Site& site, const WebRequest& request) {
  const bool passed_on =
      std::any_of(request.headers.begin(), request.headers.end(), [](const auto& header) {
        return header.first == "x-forwarded-for" || header.first == "forwarded" ||
               header.first == "via" || header.first == "x-real-ip";
      });
  return !passed_on && (request.local || site.workspace().tls_cert.empty());
}

std::optional<std::string> PersonShown(const Site& site, const WebRequest& request) {
  const std::string_view path = PathOf(request.target);
  return !request.cut && Looks(request) && path.starts_with(kPreferences) &&
                 !Questions(site.workspace()).empty()
             ? PersonOf(site, path.substr(kPreferences.size()))
             : std::nullopt;
}

WebTurn AnswerWeb(const Site& site, const WebRequest& request, TimePoint now,
                  const std::optional<InForce>& in_force) {
  if (request.cut) {
    return TooLong(site, request, now);
  }
  const std::string_view target = request.target;
  const std::string_view path = PathOf(target);
  const std::size_t mark = path.size();
  const std::string_view query = target.substr(std::min(mark + 1, target.size()));
  const auto below = [&](std::string_view folder) { return target.substr(folder.size()); };
  if (path.starts_with("/unsubscribe/")) {
    return Unsubscribe(site, request, path.substr(std::string_view("/unsubscribe/").size()), now);
  }
  if (path.starts_with(kPreferences)) {
    return Preferences(site, request, path.substr(kPreferences.size()), now, in_force);
  }
  if (path.starts_with("/l/")) {
    return Follow(site, request, below("/l/"), now);
  }
  if (path.starts_with("/v1/rows/")) {
    return TakeRows(site, request, path.substr(std::string_view("/v1/rows/").size()), now);
  }
  if (path.starts_with("/v1/")) {
    return TakeCalls(site, request, path.substr(std::string_view("/v1/").size()), now);
  }
  if (path.starts_with("/hooks/")) {
    return TakeHook(site, request, path, query, now);
  }
  return NotFound();
}

}  // namespace segue
