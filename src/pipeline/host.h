// What playbooks ask of the other stages, answered from a State.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/pipeline.h"

namespace segue {

// How an address or a key stands in the list of the suppressed: nobody means two people by the case
// of an address.
std::string SuppressedName(std::string_view address_or_key);
// How it stands there after whoever had it was erased: what was said against the address holds for
// who has it next, and names nobody.
std::string HiddenName(Database& db, std::string_view address_or_key);

class Host final : public PlaybookHost {
 public:
  explicit Host(State& state) : state_(state) {}

  double Evaluate(const Expr& expr, CustomerIndex customer, TimePoint now,
                  std::optional<TimePoint> run_started, Trace* trace) override;
  std::optional<TimePoint> Happened(CustomerIndex customer, int event,
                                    const std::optional<Condition>& where, TimePoint after,
                                    TimePoint until) override;
  std::vector<Happening> Fresh(int event, const std::optional<Condition>& where, Sequence after,
                               TimePoint since, TimePoint now) override;
  std::vector<std::string> FreshCodes(int event, Sequence after, TimePoint since,
                                      TimePoint now) override;
  Sequence LastSequence() override;
  std::vector<CustomerIndex> Stirred(Sequence after, TimePoint since, TimePoint now) override;
  std::vector<CustomerIndex> Holding(const Condition& condition, TimePoint now) override;
  std::vector<CustomerIndex> AccountsHolding(const Condition& condition, TimePoint now) override;
  std::vector<CustomerIndex> QuietlyFlagged(int model, int flag) override;
  std::vector<CustomerIndex> HoldingByLearning(const Condition& condition,
                                               std::span<const CustomerIndex> whom,
                                               TimePoint now) override;
  std::vector<CustomerIndex> Disturbed(const Condition& condition,
                                       std::span<const CustomerIndex> whom, Sequence after,
                                       TimePoint since, TimePoint now) override;
  std::vector<CustomerIndex> MembersOf(CustomerIndex account) override;
  std::optional<CustomerIndex> ContactOf(CustomerIndex account) override;
  std::optional<CustomerIndex> AccountOf(CustomerIndex customer) override;
  std::vector<Standing> StandingIn(int model) override;
  std::vector<bool> FlagColumn(int model, int flag) override;
  std::optional<TimePoint> LastSlot(int model) override;
  SegmentIndex Settled(int model, CustomerIndex customer) override;
  SegmentIndex RawAnswer(int model, CustomerIndex customer) override;
  const std::string& CustomerKey(CustomerIndex customer) override;
  bool IsAlive(CustomerIndex customer) override;
  std::string TextTrait(CustomerIndex customer, int trait) override;
  std::optional<bool> YesNoTrait(CustomerIndex customer, int trait, std::string* since) override;
  Zone ZoneOf(CustomerIndex customer) override;
  std::string SecretKey() override;
  std::string Suppressed(CustomerIndex customer, std::string_view address) override;
  std::optional<Duration> DataAge(TimePoint now) override;
  Result<void> Render(const Playbook& playbook, const Step& step, CustomerIndex customer,
                      TimePoint now, const Wording& wording, Payload& payload) override;
  std::vector<CountedMessage> Messages(CustomerIndex customer, TimePoint after) override;
  void Supersede(const Delivery& delivery, TimePoint now) override;
  bool AddressHas(std::string_view address, std::string_view template_id, TimePoint now,
                  Duration within) override;
  bool HasOpenTask(std::string_view playbook, std::string_view step,
                   CustomerIndex customer) override;
  bool Enqueue(const Delivery& delivery) override;
  std::vector<std::int64_t> UnsentRuns() override;
  void DropUnsent(std::int64_t run, std::string_view why, TimePoint now) override;
  void DropJoins(std::int64_t run, std::string_view why, TimePoint now) override;
  bool AwaitsRemoval(const Delivery& removal) override;
  bool ForgetDeliveries(CustomerIndex customer, TimePoint now) override;

 private:
  // Of `count` customers or accounts from `first` on.
  std::vector<CustomerIndex> HoldingAmong(const Condition& condition, CustomerIndex first,
                                          CustomerIndex count, TimePoint now);
  void TrackLinks(const std::string& message, CustomerIndex customer, RenderContext& context) const;
  Result<void> RenderMessage(const Playbook& playbook, const Step& step,
                             const RenderContext& context, Payload& payload);
  Result<void> RenderTask(const Step& step, const RenderContext& context, Payload& payload);

  State& state_;
};

// Asked again when a message is about to go out: the moment at which the caps have room for it,
// which is `now` when they do.  What is accepted, unknown, or being sent since earlier counts.
TimePoint CapsHoldUntil(State& state, const Delivery& delivery, TimePoint now);

}  // namespace segue
