// The catalog of connectors, and what they share: the meaning of HTTP answers, and words that are
// safe to keep.

#include "connectors/connector.h"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"

namespace segue {
namespace {

constexpr std::string_view kHidden = "[secret]";
// A shorter "secret" would turn up in ordinary words, and redacting it would give it away.
constexpr std::size_t kSecretBytesMin = 4;

void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t hit = text.find(from); hit != std::string::npos; hit = text.find(from, at)) {
    out.append(text, at, hit - at).append(to);
    at = hit + from.size();
  }
  text = out.append(text, at);
}

// The parts of base64(before + secret + after) that are the same whatever stands before and after:
// one for each way in which the secret can lie across the groups of three bytes.
std::vector<std::string> Base64Forms(std::string_view secret) {
  std::vector<std::string> forms;
  for (std::size_t before = 0; before < 3; ++before) {
    const std::string encoded = Base64(std::string(before, 'x').append(secret));
    const std::size_t first = (before * 8 + 5) / 6;
    const std::size_t last = (before + secret.size()) * 8 / 6;
    if (last > first + kSecretBytesMin) {
      forms.push_back(encoded.substr(first, last - first));
    }
  }
  return forms;
}

// What is secret about a secret: itself; of an address also the password in it, and the path, which
// error texts like to show without the host.
std::vector<std::string> SecretParts(const std::string& secret) {
  std::vector<std::string> parts{secret};
  const std::size_t scheme = secret.find("://");
  if (scheme == std::string::npos) {
    return parts;
  }
  const std::size_t path = secret.find('/', scheme + 3);
  if (path != std::string::npos && secret.size() - path >= 8) {
    parts.push_back(secret.substr(path));
  }
  const std::size_t at = secret.find('@', scheme);
  const std::size_t colon = at == std::string::npos ? at : secret.rfind(':', at);
  if (colon != std::string::npos && colon > scheme) {
    parts.push_back(secret.substr(colon + 1, at - colon - 1));
  }
  return parts;
}

std::string WithPlus(std::string encoded) {
  for (std::size_t at = 0; (at = encoded.find("%20", at)) != std::string::npos;) {
    encoded.replace(at, 3, "+");
  }
  return encoded;
}

boost::json::object ValuesJson(const std::map<std::string, std::string>& values) {
  boost::json::object object;
  for (const auto& [name, value] : values) {
    object[name] = value;
  }
  return object;
}

// Adds the name only when there is something to say.
void AddText(boost::json::object& object, std::string_view name, const std::string& text) {
  if (!text.empty()) {
    object[name] = text;
  }
}

boost::json::object MessageJson(const Payload& payload) {
  boost::json::object message;
  AddText(message, "channel", payload.channel);
  AddText(message, "template", payload.template_id);
  AddText(message, "use", payload.name);
  AddText(message, "from", payload.from);
  AddText(message, "reply_to", payload.reply_to);
  AddText(message, "to", payload.to);
  AddText(message, "subject", payload.subject);
  AddText(message, "title", payload.title);
  AddText(message, "text", payload.text);
  AddText(message, "html", payload.html);
  AddText(message, "button", payload.button);
  AddText(message, "link", payload.link);
  if (!payload.headers.empty()) {
    message["headers"] = ValuesJson(payload.headers);
  }
  return message;
}

boost::json::object TaskJson(const Payload& payload) {
  boost::json::object task;
  AddText(task, "title", payload.title);
  AddText(task, "note", payload.note);
  AddText(task, "for", payload.assignee);
  AddText(task, "priority", payload.priority);
  if (payload.due != TimePoint()) {
    task["due"] = FormatTime(payload.due);
  }
  return task;
}

}  // namespace

const ConnectorSpec* FindConnectorSpec(std::string_view name) {
  for (const ConnectorSpec* spec : kConnectors) {
    if (spec->name == name) {
      return spec;
    }
  }
  return nullptr;
}

Outcome ClassifyHttp(const Reply& reply, TimePoint now) {
  Outcome outcome;
  if (reply.kind == Reply::Kind::kNotSent) {
    outcome.kind = Outcome::Kind::kRetry;
    outcome.detail = CutWords("not sent: " + reply.error);
    return outcome;
  }
  if (reply.kind == Reply::Kind::kLost) {
    outcome.kind = Outcome::Kind::kUnknown;
    outcome.detail = CutWords("the answer was lost: " + reply.error);
    return outcome;
  }
  const int status = reply.status;
  if (status >= 200 && status < 300) {
    outcome.kind = Outcome::Kind::kAccepted;
  } else if (status == 408 || status == 425 || status == 429 || (status >= 500 && status < 600)) {
    outcome.kind = Outcome::Kind::kRetry;
    outcome.retry_after = RetryAfter(reply, now);
  } else if (status >= 300 && status < 500) {
    outcome.kind = Outcome::Kind::kRefused;  // 3xx too: redirects are not followed, the address in
                                             // the file is wrong.
  } else {
    outcome.kind = Outcome::Kind::kUnknown;
  }
  const std::string words = CutWords(reply.body);
  outcome.detail = words.empty() ? fmt::format("HTTP {}", status)
                                 : CutWords(fmt::format("HTTP {}: {}", status, words));
  return outcome;
}

NextStep Ended(Outcome outcome) {
  return std::vector<Outcome>{std::move(outcome)};
}

NextStep Refused(std::string_view why) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::kRefused;
  outcome.detail = CutWords(why);
  return Ended(std::move(outcome));
}

std::string CutWords(std::string_view text) {
  // A body may be megabytes of which little is kept; white space at its start is skipped first.
  text = Trim(text);
  text = text.substr(0, kWordsBytesMax * 4);
  std::string words;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const std::size_t length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    std::string_view piece = text.substr(i, length);
    if (byte < 0x20 || byte == 0x7f) {
      piece = words.ends_with(' ') ? "" : " ";
    } else if (!IsUtf8(piece) || (byte == 0xc2 && static_cast<unsigned char>(piece[1]) < 0xa0)) {
      piece = "?";  // Broken, or one of the control characters above 0x7f.
    }
    if (words.size() + piece.size() > kWordsBytesMax) {
      break;
    }
    words += piece;
    i += piece == "?" ? 1 : length;
  }
  return std::string(Trim(words));
}

Redactor::Redactor(const Secrets& secrets) {
  const auto add = [&](std::string form) {
    if (form.size() >= kSecretBytesMin) {
      forms_.push_back(std::move(form));
    }
  };
  for (const auto& [name, secret] : secrets) {
    for (const std::string& part : SecretParts(secret)) {
      if (part.size() < kSecretBytesMin) {
        continue;
      }
      const std::string encoded = UrlEncode(part);
      for (const std::string& form : {part, encoded, WithPlus(encoded)}) {
        add(form);
        add(ToLower(form));
      }
      const std::string json = boost::json::serialize(boost::json::string(part));
      add(json.substr(1, json.size() - 2));
      for (std::string& form : Base64Forms(part)) {
        add(std::move(form));
      }
    }
  }
  std::sort(forms_.begin(), forms_.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
}

std::string Redactor::operator()(std::string_view text) const {
  std::string out(text);
  for (const std::string& form : forms_) {
    ReplaceAll(out, form, kHidden);
  }
  return out;
}

std::string Redact(std::string_view text, const Secrets& secrets) {
  return text.empty() ? std::string() : Redactor(secrets)(text);
}

Reply RedactReply(const Reply& reply, const Secrets& secrets) {
  if (reply.body.empty() && reply.error.empty() && reply.headers.empty()) {
    return reply;
  }
  const Redactor redactor(secrets);
  Reply redacted = reply;
  redacted.body = redactor(reply.body);
  redacted.error = redactor(reply.error);
  for (auto& [name, value] : redacted.headers) {
    value = redactor(value);
  }
  return redacted;
}

bool IsHeaderValue(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

std::string SegueSignature(std::string_view secret, std::string_view body, TimePoint now) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  return fmt::format("t={},v1={}", seconds,
                     HmacSha256Hex(secret, fmt::format("{}.{}", seconds, body)));
}

std::string DeliveryJson(const Delivery& delivery) {
  boost::json::object object;
  object["key"] = delivery.key;
  object["kind"] = DeliveryKindName(delivery.kind);
  object["created"] = FormatTime(delivery.created);
  AddText(object, "purpose", delivery.purpose);
  if (!IsAccount(delivery.customer)) {
    object["customer"] = delivery.customer_key;
  }
  AddText(object, "account",
          IsAccount(delivery.customer) ? delivery.customer_key : delivery.payload.account);
  AddText(object, "playbook", delivery.playbook);
  AddText(object, "step", delivery.step);
  const Payload& payload = delivery.payload;
  switch (delivery.kind) {
    case DeliveryKind::kMessage:
      object["message"] = MessageJson(payload);
      break;
    case DeliveryKind::kTask:
      object["task"] = TaskJson(payload);
      break;
    case DeliveryKind::kSet:
    case DeliveryKind::kTrack:
    case DeliveryKind::kAudience:
      AddText(object, "name", payload.name);
      break;
  }
  if (!payload.values.empty()) {
    object["values"] = ValuesJson(payload.values);
  }
  return boost::json::serialize(object);
}

}  // namespace segue
