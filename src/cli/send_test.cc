// send-test: one message, worded for one customer and sent to an address of the team.  It is marked
// as a test, stands in no outbox, counts under no cap, and its links sign nobody off.

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "base/visible.h"
#include "cli/cli.h"
#include "cli/verbs.h"
#include "connectors/connector.h"
#include "daemon/transport.h"

namespace segue {
namespace {

constexpr int kExchangesMax = 5;
constexpr Duration kReplyPatience = std::chrono::minutes(2);

// Throws where a message to this address could reach a customer.
void RequireOurs(State& state, const std::string& to) {
  const Workspace& workspace = state.workspace();
  const auto compared = [](const std::string& text) {
    return ToLower(BareAddress(text).value_or(std::string(Trim(text))));
  };
  const std::string bare = BareAddress(to) ? compared(to) : std::string();
  // A list, a second line or a spelling of its own could reach somebody whom the rest does not
  // name.
  const bool one = std::count(bare.begin(), bare.end(), '@') == 1 && !bare.ends_with('.') &&
                   bare.find_first_of(" \t\"'(),:;<>[]\\") == std::string::npos &&
                   std::count(to.begin(), to.end(), '@') == 1 &&
                   to.find_first_of(",;:\r\n") == std::string::npos;
  if (!one) {
    throw Failure{kUsage, fmt::format("--to {}: one plain mail address is wanted\n", Visible(to))};
  }
  const auto same = [&](const std::string& other) { return compared(other) == bare; };
  if (!workspace.allow_only.empty()) {
    if (std::none_of(workspace.allow_only.begin(), workspace.allow_only.end(), same)) {
      throw Failure{kUsage, fmt::format("{} is not in sending.allow_only: a test goes to these "
                                        "addresses only\n",
                                        to)};
    }
    return;
  }
  for (CustomerIndex customer = 0;
       workspace.email_trait && customer < state.ledger().customer_count(); ++customer) {
    const TraitState* trait = state.ledger().Trait(customer, *workspace.email_trait);
    const auto* address = trait == nullptr ? nullptr : std::get_if<std::string>(&trait->value);
    if (address != nullptr && same(*address)) {
      throw Failure{kUsage,
                    fmt::format("{} is the address of customer {}: a test never goes to a "
                                "customer; list it under sending.allow_only if it is yours\n",
                                to, state.ledger().CustomerKey(customer))};
    }
  }
}

const ConnectorSettings& CarrierOf(const Template& message, const Workspace& workspace) {
  const auto channel = workspace.channels.find(message.channel);
  const std::string id = !message.via.empty()                  ? message.via
                         : channel == workspace.channels.end() ? ""
                         : channel->second.empty()             ? ""
                                                               : channel->second.front();
  const ConnectorSettings* settings = workspace.FindConnector(id);
  if (message.channel != "email" || settings == nullptr) {
    throw Failure{kUsage, fmt::format("template {} is for channel {}: only mail can be sent to an "
                                      "address\n",
                                      message.id, message.channel)};
  }
  if (settings->dry_run) {
    throw Failure{
        kUsage,
        fmt::format("connector {} says dry_run: it sends nothing, tests neither\n", settings->id)};
  }
  return *settings;
}

Delivery MakeTest(State& state, const Template& message, const SendTestOptions& options,
                  TimePoint now) {
  const Workspace& workspace = state.workspace();
  RenderContext context = state.ContextOf(FindPerson(state, options.as), now);
  context.variant = options.variant;
  AddSampleOffer(workspace, message, now, context);
  // Whoever clicks here must not sign the customer off whom it is worded for.
  context.names["links.unsubscribe"] = workspace.serve_url + "/unsubscribe/test";
  context.names["links.preferences"] = workspace.serve_url + "/preferences/test";
  Result<RenderedMessage> rendered = state.templates().Render(message.id, context);
  if (!rendered) {
    throw Failure{kFindings, fmt::format("{} cannot be rendered for {}: {}\n", message.id,
                                         options.as, rendered.error().message())};
  }
  Delivery delivery;
  delivery.key = "test-" + RandomHex();
  delivery.connector = CarrierOf(message, workspace).id;
  delivery.created = delivery.not_before = now;
  delivery.stale_after = now + kDay;
  Payload& payload = delivery.payload;
  payload.channel = message.channel;
  payload.template_id = message.id;
  payload.from = workspace.sender_from;
  payload.reply_to = message.reply_to.text.empty() ? workspace.sender_reply_to : rendered->reply_to;
  payload.to = options.to;
  payload.subject = "[TEST] " + rendered->subject;
  payload.html = rendered->html;
  payload.text = rendered->text;
  payload.headers["X-Segue-Test"] = "worded for customer " + options.as;
  return delivery;
}

// One request, waited for.
Reply Perform(Transport& transport, std::mutex& mutex, std::condition_variable& some,
              std::optional<Reply>& reply, Request request) {
  {
    const std::lock_guard lock(mutex);
    reply.reset();
  }
  transport.Start(1, std::move(request));
  std::unique_lock lock(mutex);
  some.wait_for(lock, kReplyPatience, [&] { return reply.has_value(); });
  return reply.value_or(Reply{});
}

Outcome Send(const Delivery& delivery, const ConnectorSettings& settings,
             const std::string& state_folder) {
  const ConnectorSpec* spec = FindConnectorSpec(settings.type);
  const Result<Secrets> secrets = ResolveSecrets(settings);
  if (!secrets) {
    throw Failure{kCannotReach, secrets.error().message() + "\n"};
  }
  const std::unique_ptr<Connector> connector = spec->make(settings, *secrets);
  std::mutex mutex;
  std::condition_variable some;
  std::optional<Reply> reply;
  Transport transport(state_folder, [&](std::int64_t, Reply answer) {
    const std::lock_guard lock(mutex);
    reply = std::move(answer);
    some.notify_one();
  });
  Session session;
  std::vector<Exchange> done;
  for (int i = 0; i < kExchangesMax; ++i) {
    NextStep next = connector->Next({&delivery, 1}, done, session, delivery.created);
    if (const auto* outcomes = std::get_if<std::vector<Outcome>>(&next)) {
      return outcomes->front();
    }
    Exchange exchange;
    exchange.request = std::get<Request>(std::move(next));
    exchange.reply = Perform(transport, mutex, some, reply, exchange.request);
    done.push_back(std::move(exchange));
  }
  return {};
}

}  // namespace

int RunSendTest(const Common& common, const SendTestOptions& options) {
  const Checked checked = OpenWorkspace(common);
  const Workspace& workspace = *checked.workspace;
  RequireState(common);
  const Template* message = workspace.FindTemplate(options.template_id);
  if (message == nullptr) {
    throw Failure{kUsage, fmt::format("there is no template {}\n", options.template_id)};
  }
  const TimePoint now = MomentOf(common, workspace);
  const ConnectorSettings& settings = CarrierOf(*message, workspace);
  const Delivery delivery = [&] {
    Database db = Database::Open(StateFile(common));
    const Transaction nothing(db);  // Never committed, and over before a tool is asked.
    State state(db, workspace, *checked.templates, now, OptionsFor(workspace, false));
    RequireOurs(state, options.to);
    return MakeTest(state, *message, options, now);
  }();
  const Outcome outcome = Send(delivery, settings, common.state);
  if (outcome.kind != Outcome::Kind::kAccepted) {
    throw Failure{kCannotReach, fmt::format("{} did not take it: {}\n", settings.id,
                                            outcome.detail.empty() ? "no answer" : outcome.detail)};
  }
  fmt::print("{} went to {} through {}, marked as a test and counted nowhere\n", message->id,
             options.to, settings.id);
  return kFine;
}

}  // namespace segue
