// Keys of the workspace, its sources and its connectors.

#include <array>

#include "config/keys.h"

namespace segue {
namespace {

using F = Form;

constexpr std::string_view kPurposes = "marketing product success service any";

constexpr std::array kWorkspace = {
    KeySpec{"workspace", F::kId, kMust,
            "part of every delivery key: renaming it starts a new world"},
    KeySpec{"title", F::kText, "-", "for people"},
    KeySpec{"tags", F::kWord, "-", "for people", {}, Many::kList},
    KeySpec{"timezone", F::kZone, "UTC", "where a customer and their account have none"},
    KeySpec{"currency", F::kCurrency, kMust, "every amount is kept in it"},
    KeySpec{"rates", F::kFile, "-", "a .csv file below config/: date,currency,rate"},
    KeySpec{"sender.from", F::kAddress, kMaybe,
            "From of every email; required with an email channel"},
    KeySpec{"sender.reply_to", F::kAddress, "same as from", "Reply-To"},
    KeySpec{"sender.postal", F::kText, kMaybe, "postal address; required with an email channel"},
    KeySpec{"keys.customer", F::kWord, "customer_id",
            "name of the customer's key in incoming data"},
    KeySpec{"keys.account", F::kWord, "account_id", "name of the account's key"},
    KeySpec{"keys.email", F::kName, "customer.email", "where the address is", "trait"},
    KeySpec{"keys.timezone", F::kName, "customer.timezone", "where the zone is", "trait"},
    KeySpec{"keys.joined", F::kName, "the first event", "when a customer joined", "trait"},
    KeySpec{"keys.account_contact", F::kName, "-", "who gets an account's messages",
            "account trait"},
    KeySpec{"traits.customer.*", F::kType, "-", "a stored attribute of a customer"},
    KeySpec{"traits.account.*", F::kType, "-", "a stored attribute of an account"},
    KeySpec{"events.*.reverses", F::kName, "-", "this event takes back one of that kind", "event"},
    KeySpec{"events.*.by", F::kWord, kMaybe,
            "the field that names which one; required with reverses"},
    KeySpec{"events.*.*", F::kType, "-", "a field of that event; {} for none"},
    KeySpec{"channels.*", F::kName, "-", "which tool carries it", "connector", Many::kOneOrList},
    KeySpec{"tracks", F::kWord, "none", "names that track may report", {}, Many::kList},
    KeySpec{"audiences.*", F::kText, "-", "our name: the list's name in the audience tool"},
    KeySpec{"assignees.*", F::kText, "-", "our name: the address of a person or queue"},
    KeySpec{"consent.topics.*", F::kName, "-", "the yes_no trait that allows this topic", "trait"},
    KeySpec{"consent.*", F::kName, "-", "the yes_no trait that allows this channel", "trait"},
    KeySpec{"caps[].purpose", F::kChoice, kMust, "whose messages count", kPurposes},
    KeySpec{"caps[].channel", F::kName, kMust, "which channel counts", "channel|any"},
    KeySpec{"caps[].max", F::kLimit, kMust, "how many"},
    KeySpec{"quiet_hours.from", F::kClock, kMust, "no message from here on"},
    KeySpec{"quiet_hours.to", F::kClock, kMust, "to here; may cross midnight"},
    KeySpec{"quiet_hours.zone", F::kChoice, "customer", "whose clock", "customer workspace"},
    KeySpec{"quiet_hours.applies_to", F::kName, "all messages", "which channels are held",
            "channel", Many::kList},
    KeySpec{"holdout.share", F::kPercent, kMust, "people who get no marketing or product message"},
    KeySpec{"holdout.salt", F::kText, "the workspace's id", "changing it draws other people"},
    KeySpec{"safety.max_sends_per_run", F::kCount, "none", "brake: the cycle holds and asks"},
    KeySpec{"safety.max_moved_per_run", F::kPercent, "none", "brake, per model"},
    KeySpec{"safety.max_data_age", F::kDuration, "none", "while a source is older, nothing starts"},
    KeySpec{"safety.approvals", F::kCount, "0", "how many other people must approve a plan"},
    KeySpec{"sending.stale_after", F::kDuration, "24h", "a message later than this is dropped"},
    KeySpec{"sending.allow_only",
            F::kText,
            "everybody",
            "addresses that may get anything",
            {},
            Many::kList},
    KeySpec{"mirror[].model", F::kName, kMust, "every settled move of this model is written",
            "model"},
    KeySpec{"mirror[].to", F::kName, kMust, "to these connectors", "connector", Many::kList},
    KeySpec{"mirror[].field", F::kWord, kMust, "in this field, which their writes must name"},
    KeySpec{"serve.listen", F::kServer, "127.0.0.1:8087", "address of the HTTP server"},
    KeySpec{"serve.url", F::kUrl, kMaybe, "its public address; required with an email channel"},
    KeySpec{"serve.sign", F::kSecret, kMaybe, "key that signs links; required with serve.url"},
    KeySpec{"serve.tls.cert", F::kSecret, "-", "certificate"},
    KeySpec{"serve.tls.key", F::kSecret, "-", "its key"},
    KeySpec{"serve.people.*", F::kChoice, "-", "who may use the console, and as what",
            "viewer operator admin"},
    KeySpec{"links.base", F::kUrl, kMust, "start of every address in a message"},
    KeySpec{"links.paths.*", F::kText, "-", "{{ links.NAME }}"},
    KeySpec{"keep", F::kDuration, "400d", "how long decisions are kept"},
};

constexpr std::array kSource = {
    KeySpec{"source", F::kId, kMust, "its name"},
    KeySpec{"title", F::kText, "-", "for people"},
    KeySpec{"tags", F::kWord, "-", "for people", {}, Many::kList},
    KeySpec{"type", F::kChoice, kMust, "what it reads",
            "http sql csv jsonl shopify woocommerce magento stripe mixpanel amplitude webhook"},
    KeySpec{"auth.*", F::kSecret, "-", "what this type asks for"},
    KeySpec{"every", F::kSchedule, kMaybe, "how often to fetch; not for http and webhook"},
    KeySpec{"path", F::kFile, kMaybe, "csv, jsonl: file name, * allowed"},
    KeySpec{"query", F::kFile, kMaybe, "sql: a file below config/ with one SELECT"},
    KeySpec{"cursor", F::kText, "-", "sql: column that only grows"},
    KeySpec{"overlap", F::kOverlap, "10m or 10000; 3d; 6h",
            "sql: how far behind the largest cursor value rows may still appear; mixpanel, "
            "amplitude: how late events may arrive"},
    KeySpec{"history", F::kDuration, "365d",
            "mixpanel, amplitude: how far back the first reading begins"},
    KeySpec{"timeout", F::kShortDuration, "5m",
            "sql, mixpanel, amplitude: the longest that one statement or call may take"},
    KeySpec{"emits", F::kName, kMaybe, "what a row is; jsonl without it: the Segment shape",
            "event|customer|account"},
    KeySpec{"time", F::kText, kMaybe, "csv, jsonl, sql: column with the time of the event"},
    KeySpec{"timezone", F::kZone, "the workspace's", "zone of times that carry none"},
    KeySpec{"currency", F::kText, kMaybe,
            "a currency or the column that holds it; required when an amount is read"},
    KeySpec{"map.*", F::kColumns, "same name",
            "field, key or trait: a column or arithmetic of columns"},
    KeySpec{"dedupe",
            F::kWord,
            "the whole row",
            "fields that make it the same event",
            {},
            Many::kOneOrList},
    KeySpec{"version", F::kText, "-", "column that tells the newer of two copies"},
    KeySpec{"late_events", F::kDuration, "72h",
            "an event older than this on arrival starts nothing"},
    KeySpec{"bad_rows", F::kChoice, "quarantine", "stop refuses the file as a whole",
            "quarantine stop"},
};

constexpr std::array kConnector = {
    KeySpec{"connector", F::kId, kMust, "its name"},
    KeySpec{"title", F::kText, "-", "for people"},
    KeySpec{"tags", F::kWord, "-", "for people", {}, Many::kList},
    KeySpec{"type", F::kChoice, kMust, "which tool",
            "smtp file webhook slack activecampaign mailchimp hubspot salesforce churned intercom "
            "pendo "
            "appcues mixpanel amplitude"},
    KeySpec{"auth.*", F::kSecret, "-", "what this type asks for"},
    KeySpec{"server", F::kServer, kMaybe, "smtp: host and port"},
    KeySpec{"path", F::kFile, kMaybe, "file: where the lines go"},
    KeySpec{"list", F::kText, kMaybe, "mailchimp: the audience, by its name or id"},
    KeySpec{"match.contact", F::kText, "email, or the id of users",
            "field at the vendor that finds the contact: email by address, any other by our key; "
            "intercom, churned, pendo, appcues, mixpanel, amplitude: our key unless it says email"},
    KeySpec{"match.account", F::kText, "-",
            "field at the vendor that finds the account by our key of it; without it the fields of "
            "an account are told of its contact, and its moves of all who belong to it"},
    KeySpec{"match.task", F::kText, "segue_key or Segue_Key__c",
            "hubspot, salesforce: field that holds the key of our tasks"},
    KeySpec{"new_members", F::kChoice, "transactional",
            "mailchimp: status of an address that it does not know yet",
            "transactional subscribed pending unsubscribed"},
    KeySpec{"events", F::kText, "-", "hubspot: what begins the names of events, pe12345_"},
    KeySpec{"version", F::kText, "v3, v59.0 or 2.14",
            "hubspot, salesforce, intercom: version of the API"},
    KeySpec{"message_type", F::kChoice, "inapp", "intercom: what it calls a message in the product",
            "inapp in_app"},
    KeySpec{"header", F::kWord, "Authorization", "churned: the header that carries the token"},
    KeySpec{
        "writes", F::kWord, "none", "the only fields that may be written there", {}, Many::kList},
    KeySpec{"rate", F::kRate, "the vendor's", "calls per time"},
    KeySpec{"parallel", F::kCount, "the vendor's", "calls at once"},
    KeySpec{"daily", F::kCount, "none", "calls per day"},
    KeySpec{"timeout", F::kShortDuration, "30s", "for one call"},
    KeySpec{"retry.for", F::kShortDuration, "24h", "give up after"},
    KeySpec{"retry.first", F::kShortDuration, "30s", "first pause; each one doubles"},
    KeySpec{"retry.most", F::kShortDuration, "1h", "longest pause"},
    KeySpec{"dedupe", F::kChoice, "by type", "what protects a repeated call", "key lookup none"},
    KeySpec{"dry_run", F::kYesNo, "no", "decide and render everything, call nobody"},
    KeySpec{"inbound.path", F::kText, kMust,
            "intercom, mailchimp, activecampaign: where the vendor's hooks arrive, below /hooks/"},
    KeySpec{"inbound.secret", F::kSecret, kMust, "what proves that they are the vendor's"},
};

}  // namespace

std::span<const KeySpec> WorkspaceKeys() {
  return kWorkspace;
}

std::span<const KeySpec> SourceKeys() {
  return kSource;
}

std::span<const KeySpec> ConnectorKeys() {
  return kConnector;
}

}  // namespace segue
