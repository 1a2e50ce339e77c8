// Mirror: every settled move of a model is written in a field of the CRM.

#include <utility>

#include "playbooks/engine.h"

namespace segue {

// The segment of an account is written for each customer who belongs to it: that is where sales and
// ads look.
void PlaybookEngine::MirrorMove(const Move& move) {
  if (!IsAccount(move.customer)) {
    MirrorFor(move.customer, move);
    return;
  }
  for (const CustomerIndex member : host_.MembersOf(move.customer)) {
    MirrorFor(member, move);
  }
}

void PlaybookEngine::MirrorFor(CustomerIndex customer, const Move& move) {
  if (!host_.IsAlive(customer)) {
    return;
  }
  const Model& model = workspace_.models[static_cast<std::size_t>(move.model)];
  for (const Mirror& mirror : workspace_.mirror) {
    if (mirror.model != model.id) {
      continue;
    }
    for (const std::string& connector : mirror.to) {
      Delivery delivery;
      delivery.kind = DeliveryKind::kSet;
      delivery.connector = connector;
      delivery.purpose = PurposeName(Purpose::kService);
      delivery.customer = customer;
      delivery.customer_key = host_.CustomerKey(customer);
      delivery.playbook = "mirror";
      delivery.step = model.id + "." + mirror.field;
      delivery.key = DeliveryKey(workspace_.id, delivery.customer_key, delivery.playbook, move.id,
                                 delivery.step, connector);
      delivery.payload.channel = "profile";
      delivery.payload.to = AddressOf(customer);
      delivery.payload.values[mirror.field] =
          move.to == kNoSegment ? "none" : model.segments[move.to].id;
      delivery.created = delivery.not_before = move.at;
      // It stays true however late it is, until the next move replaces it.
      delivery.stale_after = move.at + workspace_.keep;
      host_.Supersede(delivery, move.at);
      summary_.promised += host_.Enqueue(delivery) ? 1 : 0;
    }
  }
}

}  // namespace segue
