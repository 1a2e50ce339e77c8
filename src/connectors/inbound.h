// Hooks: what a vendor tells us of its own accord about people who have said no, or whose address
// is dead.
//
// Reading one does no I/O.  The server hands over what arrived at a connector's `inbound.path`;
// what comes back is a refusal to answer with, or what the vendor says.  A hook that arrives twice
// says the same twice: whoever acts on it must find that it was done already.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/time.h"
#include "connectors/connector.h"

namespace segue {

// The name under which a connector's `inbound.secret` stands among its secrets.
constexpr std::string_view kHookSecret = "inbound.secret";
// A hook is about one person; more than this is not read.
constexpr std::size_t kHookBytesMax = std::size_t{1} << 20U;

// What arrived.
struct HookRequest {
  std::string method;                          // "POST"
  std::string query;                           // Behind the ? of the address, as it came.
  std::map<std::string, std::string> headers;  // Names in lower case.
  std::string body;                            // The raw bytes, which the signature is over.
};

// What a vendor says of one person.
struct VendorNews {
  enum class Kind : std::uint8_t { kOptOut, kBounce, kComplaint };

  Kind kind = Kind::kOptOut;
  // At least one of both is there.
  std::string address;            // A bare mail address.
  std::string customer_key;       // Our key of the customer, where the vendor was given it.
  std::optional<TimePoint> when;  // As the vendor says.
  std::string words;              // For people: one line, without secrets.
};

// "opt_out", "bounce", "complaint": the reason under which the person is suppressed.
std::string_view VendorNewsName(VendorNews::Kind kind);

// To be answered with: 401 for who cannot prove to be the vendor, 400 for what makes no sense, 413
// for what is too large, 405 for another method.
struct HookRefusal {
  int status = 400;
  std::string words;  // For people; they tell a stranger nothing.
};

// No news is good news: answered with 200, like all that was understood.
using HookAnswer = std::variant<HookRefusal, std::vector<VendorNews>>;

// Whether connectors of this type can have `inbound`.
bool HasHooks(std::string_view connector_type);

// Requires: HasHooks(settings.type).  `secrets` are the connector's, with kHookSecret.
HookAnswer ReadHook(const ConnectorSettings& settings, const Secrets& secrets,
                    const HookRequest& request);

}  // namespace segue
