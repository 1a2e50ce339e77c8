// Audiences: lists at an ad tool.  Who was added by a run leaves the list when the run ends early,
// and whoever is erased leaves all of them.

#include <utility>

#include "playbooks/engine.h"

namespace segue {
namespace {

constexpr std::string_view kAudience = "audience";

}  // namespace

void PlaybookEngine::Audience(ActiveRun& run, int index, TimePoint now) {
  const StepNode& at = node(run, index);
  const Step& step = *at.step;
  Subject subject = SubjectOf(run, index);
  const bool add = !step.audience_add.empty();
  const CustomerIndex person = PersonOf(run);
  if (IsAccount(person)) {
    Refuse(subject, Gate::kAddress, "no_address", NoContact(), now);
    return;
  }
  subject.customer = person;
  if (at.connectors.empty()) {
    Refuse(subject, Gate::kRender, "render_error", "no connector carries the channel audience",
           now);
    return;
  }
  // To be taken out needs nobody's consent.
  if (add && (!PassesGoalAndExit(run, subject, now) ||
              !PassesPolicies(run, subject, {"audience_add"}, now) ||
              !PassesTopicConsent(run, subject, now) ||
              !PassesConsent(run, subject, std::string(kAudience), now) ||
              !PassesSuppression(subject, AddressOf(person), now) ||
              !PassesAllowOnly(subject, AddressOf(person), now))) {
    return;
  }
  const std::string& audience = add ? step.audience_add : step.audience_remove;
  if (!add && !IsInAudience(audience, person)) {
    Say(now, subject, Gate::kOutbox, true, "", "nobody put them into " + ListName(audience));
    return;
  }
  bool promised = false;
  for (const std::string& connector : at.connectors) {
    Payload payload;
    payload.channel = kAudience;
    payload.to = AddressOf(person);
    payload.name = ListName(audience);
    payload.values["action"] = add ? "add" : "remove";
    promised |= Promise(run, subject, {index, DeliveryKind::kAudience, person}, connector,
                        std::move(payload), now, now);
  }
  if (!promised) {
    return;
  }
  Statement forget = db_.Prepare("DELETE FROM audience_member WHERE audience = ? AND customer = ?");
  forget.Bind(1, audience).Bind(2, std::int64_t{person}).Run();
  if (add) {
    Statement keep = db_.Prepare(
        "INSERT INTO audience_member(audience, customer, key, address, playbook, run) VALUES (?, "
        "?, ?, ?, ?, ?)");
    keep.Bind(1, audience)
        .Bind(2, std::int64_t{person})
        .Bind(3, host_.CustomerKey(person))
        .Bind(4, AddressOf(person))
        .Bind(5, playbook(run.playbook).id)
        .Bind(6, run.id)
        .Run();
  }
}

bool PlaybookEngine::IsInAudience(const std::string& audience, CustomerIndex customer) const {
  Statement find = db_.Prepare("SELECT 1 FROM audience_member WHERE audience = ? AND customer = ?");
  find.Bind(1, audience).Bind(2, std::int64_t{customer});
  return find.Step();
}

std::string PlaybookEngine::ListName(const std::string& audience) const {
  const auto found = workspace_.audiences.find(audience);
  return found == workspace_.audiences.end() ? audience : found->second;
}

std::string PlaybookEngine::AddressOf(CustomerIndex customer) {
  return workspace_.email_trait && !IsAccount(customer)
             ? host_.TextTrait(customer, *workspace_.email_trait)
             : std::string();
}

void PlaybookEngine::LeaveAudiences(const Leaving& who, TimePoint now) {
  struct Member {
    std::string audience, key, address, playbook;
    CustomerIndex customer = 0;
    std::int64_t run = 0;
  };

  std::vector<Member> members;
  Statement select =
      db_.Prepare(std::string("SELECT audience, key, address, playbook, customer, run FROM "
                              "audience_member WHERE ") +
                  (who.run != 0 ? "run = ?" : "customer = ?") + " ORDER BY audience, key");
  select.Bind(1, who.run != 0 ? who.run : std::int64_t{who.customer});
  while (select.Step()) {
    members.push_back({select.Text(0), select.Text(1), select.Text(2), select.Text(3),
                       static_cast<CustomerIndex>(select.Int(4)), select.Int(5)});
  }
  const auto channel = workspace_.channels.find(std::string(kAudience));
  for (const Member& member : members) {
    Statement forget = db_.Prepare("DELETE FROM audience_member WHERE audience = ? AND key = ?");
    forget.Bind(1, member.audience).Bind(2, member.key).Run();
    if (channel == workspace_.channels.end()) {
      continue;  // The tool is gone, and with it the list.
    }
    for (const std::string& connector : channel->second) {
      Delivery delivery;
      delivery.kind = DeliveryKind::kAudience;
      delivery.connector = connector;
      delivery.purpose = PurposeName(Purpose::kService);
      delivery.customer = member.customer;
      delivery.customer_key = member.key;
      delivery.playbook = member.playbook;
      delivery.run = member.run;
      delivery.step = who.word + ":" + member.audience;
      delivery.key = DeliveryKey(workspace_.id, member.key, member.playbook, member.run,
                                 delivery.step, connector);
      delivery.payload.channel = kAudience;
      delivery.payload.to = member.address;
      delivery.payload.name = ListName(member.audience);
      delivery.payload.values["action"] = "remove";
      delivery.created = delivery.not_before = now;
      // Nobody stays in a list because the tool was away for a day.
      delivery.stale_after = now + workspace_.keep;
      // What waits already will do: an erasure drops every `add` that could come after it.
      if (who.run == 0 && host_.AwaitsRemoval(delivery)) {
        continue;
      }
      summary_.promised += host_.Enqueue(delivery) ? 1 : 0;
    }
  }
}

void PlaybookEngine::SayFarewells() {
  std::vector<std::int64_t> waiting;
  Statement select = db_.Prepare("SELECT customer FROM audience_farewell");
  while (select.Step()) {
    waiting.push_back(select.Int(0));
  }
  for (const std::int64_t customer : waiting) {
    if (host_.ForgetDeliveries(static_cast<CustomerIndex>(customer), *last_now_)) {
      Statement done = db_.Prepare("DELETE FROM audience_farewell WHERE customer = ?");
      done.Bind(1, customer).Run();
    }
  }
}

}  // namespace segue
