// Mirror: every settled move of a model is written in a field of the CRM.

#include <utility>

#include "playbooks/engine.h"

namespace segue {

// The segment of an account is written in its own record where the tool finds accounts, else for
// each customer who belongs to it: that is where sales and ads look.
void PlaybookEngine::MirrorMove(const Move& move) {
  const Model& model = workspace_.models[static_cast<std::size_t>(move.model)];
  for (const Mirror& mirror : workspace_.mirror) {
    if (mirror.model != model.id) {
      continue;
    }
    for (const std::string& connector : mirror.to) {
      const ConnectorSettings* tool = workspace_.FindConnector(connector);
      if (!IsAccount(move.customer) || (tool != nullptr && tool->tells_accounts())) {
        MirrorFor(move.customer, move, mirror, connector);
        continue;
      }
      for (const CustomerIndex member : host_.MembersOf(move.customer)) {
        MirrorFor(member, move, mirror, connector);
      }
    }
  }
}

void PlaybookEngine::MirrorFor(CustomerIndex whom, const Move& move, const Mirror& mirror,
                               const std::string& connector) {
  if (!host_.IsAlive(whom)) {
    return;
  }
  const Model& model = workspace_.models[static_cast<std::size_t>(move.model)];
  Delivery delivery;
  delivery.kind = DeliveryKind::kSet;
  delivery.connector = connector;
  delivery.purpose = PurposeName(Purpose::kService);
  delivery.customer = whom;
  delivery.customer_key = host_.CustomerKey(whom);
  delivery.playbook = "mirror";
  delivery.step = model.id + "." + mirror.field;
  delivery.key = DeliveryKey(workspace_.id, delivery.customer_key, delivery.playbook, move.id,
                             delivery.step, connector);
  delivery.payload.channel = "profile";
  delivery.payload.to = AddressOf(whom);
  delivery.payload.values[mirror.field] =
      move.to == kNoSegment ? "none" : model.segments[move.to].id;
  delivery.created = delivery.not_before = move.at;
  // It stays true however late it is, until the next move replaces it.
  delivery.stale_after = move.at + workspace_.keep;
  host_.Supersede(delivery, move.at);
  summary_.promised += host_.Enqueue(delivery) ? 1 : 0;
}

}  // namespace segue
