// The stand-in plays any tool in a backtest, where nobody is written to.  What it is given is not
// put into words; the answer to its call decides.

#include "connectors/connector.h"

namespace segue {
namespace {

class StandIn final : public Connector {
 public:
  NextStep Next(std::span<const Delivery> batch, std::span<const Exchange> done,
                Session& /*session*/, TimePoint now) const override {
    if (!done.empty()) {
      return Ended(ClassifyHttp(done.back().reply, now));
    }
    Request request;
    request.kind = Request::Kind::kHttp;
    request.method = "POST";
    request.url = "https://tool.example/";
    request.key = batch.front().key;
    return request;
  }
};

}  // namespace

constinit const ConnectorSpec kStandIn = {
    .name = "",  // No file can name it.
    .summary = "Plays any tool",
    .example = "",
    .dedupe = Dedupe::kNone,
    .carries = [] { return std::vector<DeliveryKind>(); },
    .make = [](const ConnectorSettings& /*settings*/, const Secrets& /*secrets*/)
        -> std::unique_ptr<Connector> { return std::make_unique<StandIn>(); },
};

}  // namespace segue
