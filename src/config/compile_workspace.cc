// The workspace: its schema, channels, consent and addresses.

#include <algorithm>
#include <array>
#include <tuple>

#include <fmt/format.h>

#include "base/check.h"
#include "base/money.h"
#include "base/text.h"
#include "config/compile.h"

namespace segue {
namespace {

constexpr std::string_view kStandardListen = "127.0.0.1:8087";
constexpr std::array<std::string_view, 7> kReservedFields = {"who",   "event", "at",
                                                             "every", "from",  "to"};

FieldSpec MakeField(const Node& key, const Node& value) {
  FieldSpec field;
  field.name = key.text;
  if (value.kind == Node::Kind::kList) {
    field.type = Type::kChoice;
    for (const Node& choice : value.items) {
      field.choices.push_back(choice.text);
    }
    return field;
  }
  const std::string& type = value.text;
  field.type = type == "number"     ? Type::kNumber
               : type == "money"    ? Type::kMoney
               : type == "time"     ? Type::kTime
               : type == "duration" ? Type::kDuration
               : type == "yes_no"   ? Type::kYesNo
                                    : Type::kText;
  return field;
}

std::vector<FieldSpec> MakeTraits(const Node* map) {
  std::vector<FieldSpec> traits;
  for (std::size_t i = 0; map != nullptr && i < map->keys.size(); ++i) {
    traits.push_back(MakeField(map->keys[i], map->items[i]));
  }
  return traits;
}

std::map<std::string, std::string> TextMap(const Node* map) {
  std::map<std::string, std::string> texts;
  for (std::size_t i = 0; map != nullptr && i < map->keys.size(); ++i) {
    texts[map->keys[i].text] = map->items[i].text;
  }
  return texts;
}

std::string ValueOr(const std::string& text, const std::string& other) {
  return text.empty() ? other : text;
}

}  // namespace

void Compiler::WorkspaceOf(const Document& document) {
  static const Node kEmpty;
  const auto map = [&](std::string_view key) -> const Node& {
    const Node* node = document.Find(key);
    return node == nullptr ? kEmpty : *node;
  };
  workspace_.id = document.id;
  Schema(document);
  RatesOf(document);
  const Node& sender = map("sender");
  workspace_.sender_from = TextAt(sender, "from");
  workspace_.sender_reply_to = ValueOr(TextAt(sender, "reply_to"), workspace_.sender_from);
  workspace_.sender_postal = TextAt(sender, "postal");
  const Node& keys = map("keys");
  workspace_.customer_key = ValueOr(TextAt(keys, "customer"), "customer_id");
  workspace_.account_key = ValueOr(TextAt(keys, "account"), "account_id");
  // Where nothing is named, a trait of that name that is a text.
  const auto text_trait = [&](std::string_view name) {
    const auto trait = workspace_.schema.FindCustomerTrait(name);
    const auto& traits = workspace_.schema.customer_traits;
    return trait && traits[static_cast<std::size_t>(*trait)].type == Type::kText ? trait
                                                                                 : std::nullopt;
  };
  workspace_.email_trait =
      keys.Find("email") != nullptr ? Trait(Good(keys, "email"), Type::kText) : text_trait("email");
  workspace_.timezone_trait = keys.Find("timezone") != nullptr
                                  ? Trait(Good(keys, "timezone"), Type::kText)
                                  : text_trait("timezone");
  workspace_.joined_trait = Trait(Good(keys, "joined"), Type::kTime);
  Accounts(keys);
  const Node& channels = map("channels");
  for (std::size_t i = 0; i < channels.keys.size(); ++i) {
    workspace_.channels[channels.keys[i].text] = TextsOf(&channels.items[i]);
  }
  workspace_.tracks = TextsOf(document.Find("tracks"));
  workspace_.audiences = TextMap(document.Find("audiences"));
  workspace_.assignees = TextMap(document.Find("assignees"));
  Consent(document);
  if (const Node* quiet = document.Find("quiet_hours")) {
    QuietHours hours;
    hours.from_minute = ParseClock(TextAt(*quiet, "from")).value_or(0);
    hours.to_minute = ParseClock(TextAt(*quiet, "to")).value_or(0);
    hours.customer_zone = TextAt(*quiet, "zone") != "workspace";
    hours.channels = TextsOf(Good(*quiet, "applies_to"));
    workspace_.quiet_hours = hours;
    if (hours.from_minute == hours.to_minute && Good(*quiet, "from") != nullptr &&
        Good(*quiet, "to") != nullptr) {
      Wrong(*Good(*quiet, "to"),
            "quiet hours that begin and end at the same time are none, or all day");
    }
  }
  const Node& sending = map("sending");
  workspace_.stale_after =
      ParseDuration(TextAt(sending, "stale_after")).value_or(workspace_.stale_after);
  workspace_.allow_only = TextsOf(Good(sending, "allow_only"));
  workspace_.max_data_age = ParseDuration(TextAt(map("safety"), "max_data_age"));
  workspace_.links_base = TextAt(map("links"), "base");
  workspace_.links = TextMap(Good(map("links"), "paths"));
  Serving(document);
  workspace_.serve_url = TextAt(map("serve"), "url");
  workspace_.sign_secret = TextAt(map("serve"), "sign");
  workspace_.keep = ParseDuration(TextAt(document.root, "keep")).value_or(workspace_.keep);
  EmailNeeds(document);
  Caps(document);
  HoldoutAndBrakes(document);
  Mirror(document);
}

// Which account a customer belongs to is a text trait of theirs, declared or not.
void Compiler::Accounts(const Node& keys) {
  struct Schema& schema = workspace_.schema;
  if (schema.account_traits.empty()) {
    return;
  }
  auto belongs = schema.FindCustomerTrait(workspace_.account_key);
  if (!belongs) {
    schema.customer_traits.push_back({workspace_.account_key, Type::kText, {}});
    belongs = static_cast<int>(schema.customer_traits.size()) - 1;
  } else if (schema.customer_traits[static_cast<std::size_t>(*belongs)].type != Type::kText) {
    Wrong(keys, fmt::format("the trait customer.{} says which account they belong to, so it is of "
                            "type text",
                            workspace_.account_key));
  }
  workspace_.account_trait = belongs;
  if (const Node* contact = Good(keys, "account_contact")) {
    const auto trait = schema.FindAccountTrait(
        std::string_view(contact->text).substr(contact->text.find('.') + 1));
    if (trait && schema.account_traits[static_cast<std::size_t>(*trait)].type != Type::kText) {
      report_.Error("SG003", contact->place, fmt::format("{} is not of type text", contact->text),
                    {}, "it holds the key of a customer");
    }
    workspace_.account_contact_trait = trait;
  }
  // Called as the customers' one is.
  const std::string name =
      workspace_.timezone_trait
          ? schema.customer_traits[static_cast<std::size_t>(*workspace_.timezone_trait)].name
          : "timezone";
  const auto zone = schema.FindAccountTrait(name);
  if (zone && schema.account_traits[static_cast<std::size_t>(*zone)].type == Type::kText) {
    workspace_.account_timezone_trait = zone;
  }
}

void Compiler::Caps(const Document& document) {
  const Node* caps = document.Find("caps");
  for (std::size_t i = 0; caps != nullptr && i < caps->items.size(); ++i) {
    const Node& node = caps->items[i];
    const auto max = ParseLimit(TextAt(node, "max"));
    if (!max) {
      continue;  // Reported already.
    }
    Cap cap;
    for (const Purpose purpose :
         {Purpose::kMarketing, Purpose::kProduct, Purpose::kSuccess, Purpose::kService}) {
      if (PurposeName(purpose) == TextAt(node, "purpose")) {
        cap.purpose = purpose;
      }
    }
    cap.channel = TextAt(node, "channel") == "any" ? "" : TextAt(node, "channel");
    std::tie(cap.max, cap.within) = *max;
    cap.place = node.keys.empty() ? node.place : node.keys.front().place;
    workspace_.caps.push_back(std::move(cap));
  }
}

void Compiler::HoldoutAndBrakes(const Document& document) {
  if (const Node* node = document.Find("holdout")) {
    Holdout holdout;
    holdout.share_percent = ParsePercent(TextAt(*node, "share")).value_or(0);
    holdout.salt = ValueOr(TextAt(*node, "salt"), document.id);
    holdout.place = node->keys.empty() ? node->place : node->keys.front().place;
    workspace_.holdout = std::move(holdout);
  }
  if (const Node* safety = document.Find("safety")) {
    workspace_.max_sends_per_run = ParseCount(TextAt(*safety, "max_sends_per_run"));
    workspace_.max_moved_percent = ParsePercent(TextAt(*safety, "max_moved_per_run"));
    workspace_.approvals = ParseCount(TextAt(*safety, "approvals")).value_or(0);
  }
}

void Compiler::Schema(const Document& document) {
  struct Schema& schema = workspace_.schema;
  schema.currency = TextAt(document.root, "currency");
  schema.currency_decimals = CurrencyDecimals(schema.currency).value_or(2);
  if (const auto zone = Zone::Find(ValueOr(TextAt(document.root, "timezone"), "UTC"))) {
    schema.timezone = *zone;
  }
  if (const Node* traits = document.Find("traits")) {
    schema.customer_traits = MakeTraits(Good(*traits, "customer"));
    schema.account_traits = MakeTraits(Good(*traits, "account"));
  }
  const Node* events = document.Find("events");
  for (std::size_t i = 0; events != nullptr && i < events->keys.size(); ++i) {
    Event(events->keys[i], events->items[i]);
  }
  for (std::size_t i = 0; events != nullptr && i < events->keys.size(); ++i) {
    Reversal(events->items[i], schema.events[i]);
  }
}

void Compiler::Event(const Node& key, const Node& fields) {
  EventSpec event;
  event.name = key.text;
  for (std::size_t i = 0; i < fields.keys.size(); ++i) {
    const Node& name = fields.keys[i];
    if (name.text == "reverses" || name.text == "by" || fields.items[i].bad) {
      continue;
    }
    if (std::find(kReservedFields.begin(), kReservedFields.end(), name.text) !=
        kReservedFields.end()) {
      Wrong(name, fmt::format("a field cannot be called `{}`: tests use that word", name.text),
            "choose another name");
      continue;
    }
    event.fields.push_back(MakeField(name, fields.items[i]));
  }
  workspace_.schema.events.push_back(std::move(event));
}

void Compiler::Reversal(const Node& fields, EventSpec& event) {
  const Node* kind = Good(fields, "reverses");
  const Node* by = Good(fields, "by");
  if (fields.Find("reverses") == nullptr) {
    if (by != nullptr) {
      Missing(fields, "reverses", "`by` names the field of a refund");
    }
    return;
  }
  Missing(fields, "by", "it names the field that says which event is taken back");
  const auto original = kind == nullptr ? std::nullopt : workspace_.schema.FindEvent(kind->text);
  if (!original || by == nullptr) {
    return;
  }
  const EventSpec& target = workspace_.schema.events[static_cast<std::size_t>(*original)];
  if (target.name == event.name) {
    Wrong(*kind, "an event cannot take back its own kind");
    return;
  }
  const auto here = FieldOf(*by, event);
  const auto there = here ? FieldOf(*by, target) : std::nullopt;
  if (!there) {
    return;
  }
  event.reverses = original;
  event.by_field = *here;
  event.by_original_field = *there;
  const bool shares =
      std::any_of(event.fields.begin(), event.fields.end(), [&](const FieldSpec& field) {
        const auto other = target.FindField(field.name);
        return field.type == Type::kMoney && other &&
               target.fields[static_cast<std::size_t>(*other)].type == Type::kMoney;
      });
  if (!shares) {
    Wrong(*kind,
          fmt::format("{} and {} share no money field, so there is nothing to take back",
                      event.name, target.name),
          "give both a field of type money with the same name");
  }
}

// The index of `customer.NAME`; reports another type.
std::optional<int> Compiler::Trait(const Node* node, Type type) {
  if (node == nullptr) {
    return std::nullopt;
  }
  const std::string_view name = std::string_view(node->text).substr(node->text.find('.') + 1);
  const auto trait = workspace_.schema.FindCustomerTrait(name);
  if (trait && workspace_.schema.customer_traits[static_cast<std::size_t>(*trait)].type != type) {
    const std::string_view want = type == Type::kYesNo  ? "yes_no"
                                  : type == Type::kTime ? "time"
                                                        : "text";
    report_.Error("SG003", node->place, fmt::format("{} is not of type {}", node->text, want), {},
                  fmt::format("declare it as `{}: {}`, or name another trait", name, want));
    return std::nullopt;
  }
  return trait;
}

void Compiler::Consent(const Document& document) {
  const Node* consent = document.Find("consent");
  for (std::size_t i = 0; consent != nullptr && i < consent->keys.size(); ++i) {
    const Node& value = consent->items[i];
    if (consent->keys[i].text == "topics") {
      for (std::size_t j = 0; j < value.keys.size(); ++j) {
        if (const auto trait =
                value.items[j].bad ? std::nullopt : Trait(&value.items[j], Type::kYesNo)) {
          workspace_.topic_consent[value.keys[j].text] = *trait;
        }
      }
    } else if (const auto trait = value.bad ? std::nullopt : Trait(&value, Type::kYesNo)) {
      workspace_.consent[consent->keys[i].text] = *trait;
    }
  }
}

// Each connector that `mirror` writes to must say that the field may be written.
void Compiler::Mirror(const Document& document) {
  const Node* mirror = document.Find("mirror");
  for (std::size_t i = 0; mirror != nullptr && i < mirror->items.size(); ++i) {
    const Node* field = Good(mirror->items[i], "field");
    workspace_.mirror.push_back({.model = TextAt(mirror->items[i], "model"),
                                 .to = TextsOf(Good(mirror->items[i], "to")),
                                 .field = TextAt(mirror->items[i], "field"),
                                 .place = mirror->items[i].place});
    for (const std::string& id : TextsOf(Good(mirror->items[i], "to"))) {
      const ConnectorSettings* connector = workspace_.FindConnector(id);
      if (field != nullptr && connector != nullptr &&
          std::find(connector->writes.begin(), connector->writes.end(), field->text) ==
              connector->writes.end()) {
        report_.Error("SG002", field->place,
                      fmt::format("connector {} may not write `{}`", id, field->text), {},
                      Suggest(field->text, connector->writes));
      }
    }
  }
}

// Where the service listens: in the open only with a certificate.
void Compiler::Serving(const Document& document) {
  const Node* serve = document.Find("serve");
  if (serve == nullptr) {
    return;
  }
  const std::string listen = TextAt(*serve, "listen");
  workspace_.serve_listen = listen.empty() ? kStandardListen : listen;
  if (const Node* tls = Good(*serve, "tls")) {
    Missing(*tls, "cert", "whoever calls is shown it");
    Missing(*tls, "key", "it belongs to the certificate");
    workspace_.tls_cert = TextAt(*tls, "cert");
    workspace_.tls_key = TextAt(*tls, "key");
    return;
  }
  const Node* address = Good(*serve, "listen");
  if (address != nullptr && !listen.starts_with("127.") && !listen.starts_with("[::1]:") &&
      !listen.starts_with("localhost:")) {
    Wrong(*address, "without `tls` only addresses of this machine may be listened on",
          "write 127.0.0.1 and let a proxy with a certificate stand before it, or give `tls`");
  }
}

void Compiler::EmailNeeds(const Document& document) {
  static const Node kEmpty;
  const auto need = [&](std::string_view map, std::string_view key, std::string_view why) {
    const Node* outer = document.root.Find(map);
    if (outer == nullptr) {
      Missing(document.root, map, why);
    } else if (!outer->bad) {
      Missing(*outer, key, why);
    }
  };
  if (workspace_.channels.count("email") != 0) {
    need("sender", "from", "every email has one");
    need("sender", "postal", "the law asks for it in commercial mail");
    need("serve", "url", "links and unsubscribe need a public address");
  }
  const Node* serve = document.Find("serve");
  if (serve != nullptr && serve->Find("url") != nullptr) {
    Missing(*serve, "sign", "links are signed with it");
  }
}

}  // namespace segue
