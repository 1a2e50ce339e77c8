#include "pipeline/host.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "pipeline/inputs.h"
#include "pipeline/links.h"
#include "pipeline/moments.h"

namespace segue {
namespace {

// The event that closes a task, and its field with the key that came with the task.
constexpr std::string_view kTaskDone = "task_done";
constexpr std::string_view kTaskDoneKey = "task";

}  // namespace

double Host::Evaluate(const Expr& expr, CustomerIndex customer, TimePoint now,
                      std::optional<TimePoint> run_started, Trace* trace) {
  const double value = state_.Evaluate(expr, customer, now, run_started, trace);
  return state_.moments().Speak(expr) ? value : std::numeric_limits<double>::quiet_NaN();
}

std::optional<TimePoint> Host::Happened(CustomerIndex customer, int event,
                                        const std::optional<Condition>& where, TimePoint after,
                                        TimePoint until) {
  const Workspace& workspace = state_.workspace();
  const EventSpec& spec = workspace.schema.events[static_cast<std::size_t>(event)];
  for (const StoredEvent& stored : state_.ledger().Timeline(customer, event, after, until)) {
    if (!stored.counts || stored.orphan) {
      continue;
    }
    const Moment moment{until, workspace.schema.timezone};
    if (!where || IsTrue(ExecuteOnEvent(where->expr, spec, stored.fields, *workspace.pool,
                                        &state_.inputs(), moment, stored.customer))) {
      return stored.time;
    }
  }
  return std::nullopt;
}

std::vector<Happening> Host::Fresh(int event, const std::optional<Condition>& where, Sequence after,
                                   TimePoint since, TimePoint now) {
  const Workspace& workspace = state_.workspace();
  const EventSpec& spec = workspace.schema.events[static_cast<std::size_t>(event)];
  const Moment moment{now, workspace.schema.timezone};
  std::vector<Happening> all;
  state_.ledger().ScanFresh(event, after, since, now, false, [&](const StoredEvent& stored) {
    if (stored.counts &&
        (!where || IsTrue(ExecuteOnEvent(where->expr, spec, stored.fields, *workspace.pool,
                                         &state_.inputs(), moment, stored.customer)))) {
      all.push_back({stored.customer, stored.time});
    }
  });
  std::sort(all.begin(), all.end(), [](const Happening& a, const Happening& b) {
    return std::pair(a.customer, a.time) < std::pair(b.customer, b.time);
  });
  return all;
}

std::vector<std::string> Host::FreshCodes(int event, Sequence after, TimePoint since,
                                          TimePoint now) {
  const EventSpec& spec = state_.workspace().schema.events[static_cast<std::size_t>(event)];
  const std::size_t field = static_cast<std::size_t>(spec.FindField("code").value_or(0));
  std::vector<std::string> codes;
  state_.ledger().ScanFresh(event, after, since, now, true, [&](const StoredEvent& stored) {
    const std::string* code = std::get_if<std::string>(&stored.fields.at(field));
    if (stored.counts && code != nullptr) {
      codes.push_back(*code);
    }
  });
  std::sort(codes.begin(), codes.end());
  return codes;
}

Sequence Host::LastSequence() {
  return state_.ledger().last_sequence();
}

std::vector<CustomerIndex> Host::Stirred(Sequence after, TimePoint since, TimePoint now) {
  std::vector<int> kinds(state_.workspace().schema.events.size());
  std::iota(kinds.begin(), kinds.end(), 0);
  std::vector<CustomerIndex> all;
  for (const Touch& touch : state_.ledger().Touched(after, since, now, kinds, {})) {
    all.push_back(touch.customer);
  }
  return all;
}

std::vector<CustomerIndex> Host::Holding(const Condition& condition, TimePoint now) {
  return HoldingAmong(condition, 0, state_.ledger().customer_count(), now);
}

std::vector<CustomerIndex> Host::AccountsHolding(const Condition& condition, TimePoint now) {
  return HoldingAmong(condition, kFirstAccount, state_.ledger().account_count(), now);
}

std::vector<CustomerIndex> Host::HoldingAmong(const Condition& condition, CustomerIndex first,
                                              CustomerIndex count, TimePoint now) {
  const Ledger& ledger = state_.ledger();
  const Moment moment{now, state_.workspace().schema.timezone};
  std::vector<CustomerIndex> all;
  if (!state_.moments().Speak(condition.expr)) {
    return all;
  }
  std::vector<double> block(kBlock);
  for (CustomerIndex done = 0; done < count; done += static_cast<CustomerIndex>(kBlock)) {
    const std::size_t size = std::min<std::size_t>(kBlock, count - done);
    const std::span<double> out(block.data(), size);
    ExecuteBlock(condition.expr, state_.inputs(), moment, first + done, out);
    for (std::size_t i = 0; i < size; ++i) {
      const auto customer = first + done + static_cast<CustomerIndex>(i);
      if (IsTrue(out[i]) && ledger.IsAlive(customer)) {
        all.push_back(customer);
      }
    }
  }
  return all;
}

std::vector<CustomerIndex> Host::QuietlyFlagged(int model, int flag) {
  const Segments* segments = state_.segments(model);
  return segments == nullptr ? std::vector<CustomerIndex>() : segments->QuietlyFlagged(flag);
}

std::vector<CustomerIndex> Host::HoldingByLearning(const Condition& condition,
                                                   std::span<const CustomerIndex> whom,
                                                   TimePoint now) {
  std::vector<CustomerIndex> all;
  const std::unique_ptr<Inputs> before = state_.BeforeLearning(condition.expr, now);
  const Moment moment{now, state_.workspace().schema.timezone};
  for (std::size_t i = 0; before != nullptr && i < whom.size(); ++i) {
    if (!IsTrue(ExecuteOne(condition.expr, *before, moment, whom[i]))) {
      all.push_back(whom[i]);
    }
  }
  return all;
}

std::vector<CustomerIndex> Host::Disturbed(const Condition& condition,
                                           std::span<const CustomerIndex> whom, Sequence after,
                                           TimePoint since, TimePoint now) {
  std::vector<CustomerIndex> all;
  if (whom.empty()) {
    return all;
  }
  const bool accounts = IsAccount(whom.front());
  const auto facts =
      state_.FactsBehind(condition.expr, accounts ? Subject::kAccount : Subject::kCustomer,
                         {.sequence = after, .time = since}, now);
  const CustomerIndex base = accounts ? kFirstAccount : 0;
  std::copy_if(whom.begin(), whom.end(), std::back_inserter(all), [&](CustomerIndex who) {
    return std::any_of(facts.begin(), facts.end(), [&](const auto& one) {
      return !StartsPlaybooks(one->CauseSince(who - base).value_or(Cause::kTime));
    });
  });
  return all;
}

std::vector<CustomerIndex> Host::MembersOf(CustomerIndex account) {
  const std::span<const CustomerIndex> members = state_.ledger().MembersOf(account);
  return {members.begin(), members.end()};
}

std::optional<CustomerIndex> Host::ContactOf(CustomerIndex account) {
  return segue::ContactOf(state_.workspace(), state_.ledger(), account);
}

std::optional<CustomerIndex> Host::AccountOf(CustomerIndex customer) {
  return state_.ledger().AccountOf(customer);
}

std::vector<Standing> Host::StandingIn(int model) {
  const Segments* segments = state_.segments(model);
  std::vector<Standing> all;
  if (segments == nullptr) {
    return all;
  }
  const Model& found = state_.workspace().models[static_cast<std::size_t>(model)];
  // The last move of each; who was placed by the baseline has none.
  std::map<CustomerIndex, SegmentIndex> from;
  Statement moves =
      state_.db().Prepare("SELECT customer, \"from\" FROM move WHERE model = ? ORDER BY id");
  moves.Bind(1, found.id);
  while (moves.Step()) {
    const std::string id = moves.IsNull(1) ? std::string() : moves.Text(1);
    const auto segment = std::find_if(found.segments.begin(), found.segments.end(),
                                      [&](const Segment& one) { return one.id == id; });
    from[static_cast<CustomerIndex>(moves.Int(0))] =
        segment == found.segments.end()
            ? kNoSegment
            : static_cast<SegmentIndex>(segment - found.segments.begin());
  }
  const bool accounts = found.of == Subject::kAccount;
  const CustomerIndex first = accounts ? kFirstAccount : 0;
  const CustomerIndex count =
      accounts ? state_.ledger().account_count() : state_.ledger().customer_count();
  for (CustomerIndex i = 0; i < count; ++i) {
    const CustomerIndex who = first + i;
    const Membership membership = segments->Get(who);
    if (membership.segment != kNoSegment && state_.ledger().IsAlive(who)) {
      const auto came = from.find(who);
      all.push_back({.customer = who,
                     .segment = membership.segment,
                     .from = came == from.end() ? kNoSegment : came->second,
                     .since = membership.since});
    }
  }
  return all;
}

std::vector<bool> Host::FlagColumn(int model, int flag) {
  const bool accounts =
      state_.workspace().models[static_cast<std::size_t>(model)].of == Subject::kAccount;
  const CustomerIndex count =
      accounts ? state_.ledger().account_count() : state_.ledger().customer_count();
  std::vector<bool> all(count);
  std::vector<double> values(count);
  if (const Segments* segments = state_.segments(model)) {
    segments->ReadFlag(flag, accounts ? kFirstAccount : 0, values);
    std::transform(values.begin(), values.end(), all.begin(), IsTrue);
  }
  return all;
}

std::optional<TimePoint> Host::LastSlot(int model) {
  const Segments* segments = state_.segments(model);
  return segments == nullptr ? std::nullopt : segments->last_slot();
}

SegmentIndex Host::Settled(int model, CustomerIndex customer) {
  const Segments* segments = state_.segments(model);
  return segments == nullptr ? kNoSegment : segments->Get(customer).segment;
}

SegmentIndex Host::RawAnswer(int model, CustomerIndex customer) {
  const Segments* segments = state_.segments(model);
  return segments == nullptr ? kNoSegment : segments->Get(customer).answer;
}

const std::string& Host::CustomerKey(CustomerIndex customer) {
  return state_.ledger().CustomerKey(customer);
}

bool Host::IsAlive(CustomerIndex customer) {
  return state_.ledger().IsAlive(customer);
}

std::string Host::TextTrait(CustomerIndex customer, int trait) {
  const TraitState* state = state_.ledger().Trait(customer, trait);
  if (state == nullptr) {
    return "";
  }
  const auto* text = std::get_if<std::string>(&state->value);
  return text == nullptr ? "" : *text;
}

std::optional<bool> Host::YesNoTrait(CustomerIndex customer, int trait, std::string* since) {
  const TraitState* state = state_.ledger().Trait(customer, trait);
  const std::int64_t* value = state == nullptr ? nullptr : std::get_if<std::int64_t>(&state->value);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (since != nullptr) {
    *since = FormatTime(state->since).substr(0, 10) + " (source: " + state->source + ")";
  }
  return *value == 1;
}

Zone Host::ZoneOf(CustomerIndex customer) {
  return state_.ZoneOf(customer);
}

std::string SuppressedName(std::string_view address_or_key) {
  return address_or_key.find('@') == std::string_view::npos ? std::string(address_or_key)
                                                            : ToLower(address_or_key);
}

namespace {

constexpr std::string_view kHiddenMark = "erased ";  // Hex digits follow.

}  // namespace

std::string HiddenName(Database& db, std::string_view address_or_key) {
  return std::string(kHiddenMark) +
         HmacSha256Hex(db.GetSetting("ledger.secret").value_or(""), SuppressedName(address_or_key));
}

std::string Host::SecretKey() {
  // The key that signs links, so that a replay makes the same codes; else one of the state's own.
  const std::string& key = state_.options().links_key;
  return key.empty() ? state_.db().GetSetting("ledger.secret").value_or("") : key;
}

std::string Host::Suppressed(CustomerIndex customer, std::string_view address) {
  Database& db = state_.db();
  // A look-up for each: for an OR, SQLite would set up a table of its own each time.
  Statement find = db.Prepare(
      "SELECT reason FROM suppression WHERE who = ?1 UNION ALL "
      "SELECT reason FROM suppression WHERE who = ?2 LIMIT 1");
  find.Bind(1, SuppressedName(address))
      .Bind(2, SuppressedName(state_.ledger().CustomerKey(customer)));
  std::string reason = find.Step() ? find.Text(0) : "";
  find.Reset();
  if (!reason.empty()) {
    return reason;
  }
  Statement any =
      db.Prepare("SELECT 1 FROM suppression WHERE who > ?1 AND who < ?1 || 'g' LIMIT 1");
  any.Bind(1, kHiddenMark);
  const bool hidden = any.Step();
  any.Reset();
  if (hidden) {
    Statement of_erased = db.Prepare("SELECT reason FROM suppression WHERE who = ?");
    of_erased.Bind(1, HiddenName(db, address));
    reason = of_erased.Step() ? of_erased.Text(0) : "";
    of_erased.Reset();
  }
  return reason;
}

std::optional<Duration> Host::DataAge(TimePoint now) {
  std::optional<Duration> oldest;
  for (const Source& source : state_.workspace().sources) {
    Statement find = state_.db().Prepare("SELECT last_ok FROM source_state WHERE source = ?");
    find.Bind(1, source.id);
    // A source that was never read without error is as old as can be.
    const Duration age =
        find.Step() && !find.IsNull(0) ? now - FromMicros(find.Int(0)) : now - TimePoint{};
    find.Reset();
    oldest = std::max(oldest.value_or(Duration::zero()), age);
  }
  return oldest;
}

Result<void> Host::Render(const Playbook& playbook, const Step& step, CustomerIndex customer,
                          TimePoint now, const Wording& wording, Payload& payload) {
  RenderContext context = state_.ContextOf(customer, now);
  const Inputs& inputs = *context.inputs;
  const OnBehalfInputs on_behalf(inputs, state_.workspace(), wording.account.value_or(customer));
  if (wording.account) {
    context.inputs = &on_behalf;
  }
  context.variant = wording.variant;
  context.wants_body = !state_.db().thrown_away();
  context.names.insert(wording.names.begin(), wording.names.end());
  switch (step.kind) {
    case Step::Kind::kSend:
      TrackLinks(step.send, customer, context);
      return RenderMessage(playbook, step, context, payload);
    case Step::Kind::kTask:
      return RenderTask(step, context, payload);
    case Step::Kind::kSet:
      for (const auto& [field, text] : step.set) {
        Result<std::string> value = state_.templates().RenderText(text, context, Escape::kNone);
        if (!value) {
          return value.error();
        }
        payload.values[field] = std::move(*value);
      }
      return {};
    case Step::Kind::kTrack:
      payload.name = step.track;
      return {};
    case Step::Kind::kAudience:
      return {};
    case Step::Kind::kWait:
    case Step::Kind::kIf:
    case Step::Kind::kStop:
      break;
  }
  SEGUE_CHECK(false);
  return {};
}

// Links lead over the service, which tells what was followed, where the workspace has an event for
// that.  Only in what is sent: a preview is followed by us.
void Host::TrackLinks(const std::string& message, CustomerIndex customer,
                      RenderContext& context) const {
  const Workspace& workspace = state_.workspace();
  if (!workspace.schema.FindEvent(kLinkClicked) || workspace.serve_url.empty() ||
      !context.wants_body) {
    return;
  }
  const LinkSigner signer{state_.options().links_key, workspace.id};
  for (const auto& [name, path] : workspace.links) {
    context.names["links." + name] =
        workspace.serve_url + "/l/" +
        TrackedPath(signer, {name, message, state_.ledger().CustomerKey(customer)});
  }
}

Result<void> Host::RenderMessage(const Playbook& playbook, const Step& step,
                                 const RenderContext& context, Payload& payload) {
  const Workspace& workspace = state_.workspace();
  Result<RenderedMessage> message = state_.templates().Render(step.send, context);
  if (!message) {
    return message.error();
  }
  const Template* found = workspace.FindTemplate(step.send);
  SEGUE_CHECK(found != nullptr);
  payload.template_id = found->id;
  payload.channel = found->channel;
  if (!context.wants_body) {
    return {};
  }
  payload.from = workspace.sender_from;
  payload.reply_to = workspace.sender_reply_to;
  if (!found->reply_to.text.empty()) {
    payload.reply_to = std::move(message->reply_to);
  }
  payload.subject = std::move(message->subject);
  payload.title = std::move(message->title);
  payload.values = std::move(message->values);
  if (!payload.name.empty()) {
    return {};  // The vendor's own message, with the vendor's own link to unsubscribe.
  }
  payload.button = std::move(message->button);
  payload.link = std::move(message->link);
  payload.html = std::move(message->html);
  payload.text = std::move(message->text);
  const auto unsubscribe = context.names.find("links.unsubscribe");
  if (playbook.purpose == Purpose::kMarketing && unsubscribe != context.names.end()) {
    payload.headers["List-Unsubscribe"] = "<" + unsubscribe->second + ">";
    payload.headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click";
  }
  return {};
}

Result<void> Host::RenderTask(const Step& step, const RenderContext& context, Payload& payload) {
  Result<std::string> title = state_.templates().RenderText(step.title, context, Escape::kHeader);
  if (!title) {
    return title.error();
  }
  payload.title = std::move(*title);
  if (!step.note.text.empty()) {
    Result<std::string> note = state_.templates().RenderText(step.note, context, Escape::kNone);
    if (!note) {
      return note.error();
    }
    payload.note = std::move(*note);
  }
  payload.priority = step.priority;
  payload.due = context.moment.now + step.due;
  return {};
}

bool Host::AddressHas(std::string_view address, std::string_view template_id, TimePoint now,
                      Duration within) {
  return state_.outbox().AddressHas(address, template_id, now, within);
}

bool Host::HasOpenTask(std::string_view playbook, std::string_view step, CustomerIndex customer) {
  const Schema& schema = state_.workspace().schema;
  const std::optional<int> done = schema.FindEvent(kTaskDone);
  if (!done || !state_.outbox().HasOpenTask(playbook, step, customer)) {
    return state_.outbox().HasOpenTask(playbook, step, customer);
  }
  const std::optional<int> field =
      schema.events[static_cast<std::size_t>(*done)].FindField(kTaskDoneKey);
  Statement tasks = state_.db().Prepare(
      "SELECT key, created FROM outbox WHERE customer = ? AND playbook = ? AND step = ? AND kind = "
      "1 AND state IN (0, 1, 2, 5, 7) ORDER BY id");
  tasks.Bind(1, static_cast<std::int64_t>(customer)).Bind(2, playbook).Bind(3, step);
  bool open = false;
  while (!open && tasks.Step()) {
    const std::string key = tasks.Text(0);
    const TimePoint since = FromMicros(tasks.Int(1));
    const std::vector<StoredEvent> events =
        state_.ledger().Timeline(customer, *done, since, state_.columns().edge());
    open = std::none_of(events.begin(), events.end(), [&](const StoredEvent& event) {
      const auto* named =
          field ? std::get_if<std::string>(&event.fields[static_cast<std::size_t>(*field)])
                : nullptr;
      return event.counts && (named == nullptr || *named == key);
    });
  }
  return open;
}

}  // namespace segue
