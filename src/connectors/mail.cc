// Mail as bytes: RFC 5322 headers, RFC 2047 words, RFC 2045 quoted-printable.
//
// Nothing that comes from outside can add a header: values are one line each, whatever they held.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "base/zone.h"
#include "connectors/connector.h"

namespace segue {
namespace {

constexpr std::size_t kLineMax = 76;
constexpr std::string_view kCrlf = "\r\n";

bool IsAlnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool IsPlain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

// One line: control characters become spaces.
std::string OneLine(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }, ' ');
  return std::string(Trim(line));
}

// The encoded words of RFC 2047 for a header of which `column` characters stand already: no line
// over 76 characters, no word that cuts a character in two.
std::string EncodedWords(std::string_view text, std::size_t column) {
  constexpr std::size_t kFrame = 12;  // What stands around the base64.
  constexpr std::size_t kBytesLeast = 12;
  std::string out;
  while (!text.empty()) {
    const std::size_t room = kLineMax - std::min(kLineMax, column + 1 + kFrame);
    std::size_t length = std::min(room / 4 * 3, text.size());
    while (length > 0 && length < text.size() &&
           (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) {
      --length;
    }
    if (length == 0 || (length < kBytesLeast && length < text.size() && column > 0)) {
      if (column == 0) {
        length = 1;  // Not UTF-8 at all.
      } else {
        out += kCrlf;
        column = 0;
        continue;
      }
    }
    out += " =?UTF-8?B?" + Base64(text.substr(0, length)) + "?=";
    text.remove_prefix(length);
    column = kLineMax;
  }
  return out;
}

// "Name: value" with CRLF, folded at its spaces.
std::string HeaderLine(std::string_view name, std::string_view value) {
  std::string out(name);
  out += ':';
  std::size_t column = out.size();
  for (const std::string_view word : Split(value, ' ')) {
    if (word.empty()) {
      continue;
    }
    if (column + 1 + word.size() > kLineMax && column > name.size() + 1) {
      out += kCrlf;
      column = 0;
    }
    out += ' ';
    out += word;
    column += 1 + word.size();
  }
  return out.append(kCrlf);
}

// A header whose value is words: a subject, a list's name.
std::string TextHeader(std::string_view name, std::string_view value) {
  const std::string line = OneLine(value);
  const std::vector<std::string_view> words = Split(line, ' ');
  const bool long_word = std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    return name.size() + 2 + word.size() > kLineMax;
  });
  const bool spaced = line.find("  ") != std::string::npos;  // Folding would lose the second space.
  if (IsPlain(line) && line.find("=?") == std::string::npos && !long_word && !spaced) {
    return HeaderLine(name, line);
  }
  return fmt::format("{}:{}\r\n", name, EncodedWords(line, name.size() + 1));
}

// A header whose value must not be encoded: List-Unsubscribe and its like.  Folded at spaces only.
std::string PlainHeader(std::string_view name, std::string_view value) {
  return HeaderLine(name, OneLine(value));
}

struct Mailbox {
  std::string name;
  std::string address;
};

// Splits "Ann <ann@example.org>" or "ann@example.org".  Says nothing about whether the address is
// good.
Mailbox SplitMailbox(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  const std::size_t open = trimmed.rfind('<');
  if (open == std::string_view::npos || !trimmed.ends_with('>')) {
    return {"", std::string(trimmed)};
  }
  std::string_view name = Trim(trimmed.substr(0, open));
  if (name.size() >= 2 && name.front() == '"' && name.back() == '"') {
    name = name.substr(1, name.size() - 2);
  }
  return {std::string(name), std::string(trimmed.substr(open + 1, trimmed.size() - open - 2))};
}

bool IsLocalPart(std::string_view local) {
  if (local.empty() || local.size() > 64 || local.front() == '.' || local.back() == '.' ||
      local.find("..") != std::string_view::npos) {
    return false;
  }
  return std::all_of(local.begin(), local.end(), [](char c) {
    return IsAlnum(c) || std::string_view(".!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
  });
}

bool IsDomain(std::string_view domain) {
  if (domain.empty() || domain.size() > 253) {
    return false;
  }
  for (const std::string_view label : Split(domain, '.')) {
    const bool good =
        !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
        std::all_of(label.begin(), label.end(), [](char c) { return IsAlnum(c) || c == '-'; });
    if (!good) {
      return false;
    }
  }
  return true;
}

// Requires: BareAddress(text).
std::string MailboxHeader(std::string_view header, std::string_view text) {
  Mailbox box = SplitMailbox(text);
  box.name = OneLine(box.name);
  if (box.name.empty()) {
    return HeaderLine(header, box.address);
  }
  if (!IsPlain(box.name)) {
    return fmt::format("{}:{}\r\n <{}>\r\n", header, EncodedWords(box.name, header.size() + 1),
                       box.address);
  }
  std::string quoted;
  const bool words =
      std::all_of(box.name.begin(), box.name.end(), [](char c) { return IsAlnum(c) || c == ' '; });
  for (const char c : box.name) {
    quoted += !words && (c == '"' || c == '\\') ? std::string("\\") + c : std::string(1, c);
  }
  return HeaderLine(header, words ? fmt::format("{} <{}>", quoted, box.address)
                                  : fmt::format("\"{}\" <{}>", quoted, box.address));
}

// Whether the byte at `i` may stand as it is in quoted-printable.
bool IsLiteral(std::string_view text, std::size_t i, std::size_t column, bool at_end) {
  const char c = text[i];
  // Old mail programs on the way alter "From " and a dot at the start of a line.
  if (column == 0 && (c == '.' || text.substr(i).starts_with("From "))) {
    return false;
  }
  return (c > ' ' && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && !at_end);
}

// RFC 2045, 6.7: no line over 76 characters, line breaks as CRLF, no space at the end of a line.
std::string QuotedPrintable(std::string_view text) {
  std::string out;
  std::size_t column = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r' || c == '\n') {
      i += c == '\r' && i + 1 < text.size() && text[i + 1] == '\n' ? 1 : 0;
      out += kCrlf;
      column = 0;
      continue;
    }
    const bool at_end = i + 1 == text.size() || text[i + 1] == '\r' || text[i + 1] == '\n';
    // The last column is kept for the sign that the line goes on.
    const std::size_t most = kLineMax - (at_end ? 0 : 1);
    if (column + (IsLiteral(text, i, column, at_end) ? 1 : 3) > most) {
      out += "=\r\n";
      column = 0;
    }
    if (IsLiteral(text, i, column, at_end)) {
      out += c;
      column += 1;
    } else {
      out += fmt::format("={:02X}", static_cast<unsigned char>(c));
      column += 3;
    }
  }
  return out;
}

std::string MailDate(TimePoint time) {
  constexpr std::array<std::string_view, 7> kDays = {"Mon", "Tue", "Wed", "Thu",
                                                     "Fri", "Sat", "Sun"};
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const LocalTime local = Zone().ToLocal(time);
  const CivilDate date = ToCivil(local.day());
  const std::int64_t seconds = local.micros_of_day() / 1'000'000;
  return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} +0000",
                     kDays[static_cast<std::size_t>(Weekday(local.day()) - 1)], date.day,
                     kMonths[static_cast<std::size_t>(date.month - 1)], date.year, seconds / 3600,
                     seconds / 60 % 60, seconds % 60);
}

std::string PartHeaders(std::string_view type) {
  return fmt::format(
      "Content-Type: {}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
      type);
}

bool IsHeaderName(std::string_view name) {
  return !name.empty() && name.size() <= 60 &&
         std::all_of(name.begin(), name.end(), [](char c) { return IsAlnum(c) || c == '-'; });
}

// The headers that MakeMail writes itself.
bool IsOwnHeader(std::string_view name) {
  constexpr std::array<std::string_view, 13> kOwn = {
      "from",       "to",           "cc",           "bcc",
      "sender",     "reply-to",     "subject",      "date",
      "message-id", "mime-version", "content-type", "content-transfer-encoding",
      "return-path"};
  return std::find(kOwn.begin(), kOwn.end(), ToLower(name)) != kOwn.end();
}

}  // namespace

std::optional<std::string> BareAddress(std::string_view mailbox) {
  const std::string address = SplitMailbox(mailbox).address;
  const std::size_t at = address.find('@');
  if (at == std::string::npos || address.size() > 254) {
    return std::nullopt;
  }
  const std::string_view view = address;
  if (!IsLocalPart(view.substr(0, at)) || !IsDomain(view.substr(at + 1))) {
    return std::nullopt;
  }
  return address;
}

std::string MailProblem(const Delivery& delivery) {
  const Payload& payload = delivery.payload;
  const auto problem = [](std::string_view what, const std::string& address) {
    const bool foreign = std::any_of(address.begin(), address.end(), [](char c) { return c < 0; });
    return fmt::format(
        "{} is not an address that mail can carry: '{}'{}", what, CutWords(address),
        foreign ? " (only plain letters; write a foreign domain in its xn-- form)" : "");
  };
  if (payload.to.empty()) {
    return "the message has no address to go to";
  }
  // Several mailboxes in one text must not slip through as one.
  if (!BareAddress(payload.to)) {
    return problem("to", payload.to);
  }
  if (!BareAddress(payload.from)) {
    return problem("from", payload.from);
  }
  if (!payload.reply_to.empty() && !BareAddress(payload.reply_to)) {
    return problem("reply_to", payload.reply_to);
  }
  for (const auto& [name, value] : payload.headers) {
    if (!IsHeaderName(name) || IsOwnHeader(name)) {
      return fmt::format("'{}' is not a header that a message may set", CutWords(name));
    }
  }
  return "";
}

std::string MakeMail(const Delivery& delivery) {
  const Payload& payload = delivery.payload;
  const std::string from = BareAddress(payload.from).value_or("");
  const std::string id = Sha256Hex(delivery.key).substr(0, 40);
  std::string mail = MailboxHeader("From", payload.from);
  mail += HeaderLine("To", BareAddress(payload.to).value_or(""));
  if (!payload.reply_to.empty()) {
    mail += MailboxHeader("Reply-To", payload.reply_to);
  }
  mail += TextHeader("Subject", payload.subject);
  mail += HeaderLine("Date", MailDate(delivery.created));
  mail += fmt::format("Message-ID: <{}@{}>\r\n", id, from.substr(from.find('@') + 1));
  for (const auto& [name, value] : payload.headers) {
    if (IsHeaderName(name) && !IsOwnHeader(name)) {
      mail += IsPlain(OneLine(value)) ? PlainHeader(name, value) : TextHeader(name, value);
    }
  }
  mail += "MIME-Version: 1.0\r\n";
  if (payload.html.empty()) {
    return mail + PartHeaders("text/plain") + QuotedPrintable(payload.text) + std::string(kCrlf);
  }
  // "=_" cannot stand in quoted-printable, so the boundary cannot stand in a part.
  const std::string boundary = "=_segue_" + id;
  mail += fmt::format("Content-Type: multipart/alternative;\r\n boundary=\"{}\"\r\n\r\n", boundary);
  mail += fmt::format("--{}\r\n{}{}\r\n", boundary, PartHeaders("text/plain"),
                      QuotedPrintable(payload.text));
  mail += fmt::format("--{}\r\n{}{}\r\n", boundary, PartHeaders("text/html"),
                      QuotedPrintable(payload.html));
  return mail + fmt::format("--{}--\r\n", boundary);
}

}  // namespace segue
