#include "domain/schema.h"

namespace segue {
namespace {

template <typename Named>
std::optional<int> FindByName(const std::vector<Named>& all, std::string_view name) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].name == name) {
      return static_cast<int>(i);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<int> EventSpec::FindField(std::string_view field) const {
  return FindByName(fields, field);
}

std::optional<int> Schema::FindEvent(std::string_view name) const {
  return FindByName(events, name);
}

std::optional<int> Schema::FindCustomerTrait(std::string_view name) const {
  return FindByName(customer_traits, name);
}

std::optional<int> Schema::FindAccountTrait(std::string_view name) const {
  return FindByName(account_traits, name);
}

}  // namespace segue
