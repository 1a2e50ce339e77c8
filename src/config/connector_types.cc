// The secrets by type.

#include "config/connector_types.h"

#include <array>

namespace segue {
namespace {

constexpr std::string_view kOwnUrl = "replaces the vendor's address";

constexpr std::array kAuthKeys = {
    AuthKey{"smtp", "user", false, "is whom the server knows"},
    AuthKey{"smtp", "password", false, "is the user's password"},
    AuthKey{"webhook", "url", true, "says where the calls go"},
    AuthKey{"webhook", "sign", false, "signs every call"},
    AuthKey{"slack", "url", true, "is the address of the incoming webhook"},
    AuthKey{"hubspot", "token", true, "is the key of a private app"},
    AuthKey{"hubspot", "url", false, kOwnUrl},
    AuthKey{"mailchimp", "token", true, "is the API key, whose end names the data centre"},
    AuthKey{"mailchimp", "transactional", false, "is the key of Mailchimp Transactional"},
    AuthKey{"mailchimp", "url", false, kOwnUrl},
    AuthKey{"mailchimp", "transactional_url", false, "replaces the address of Transactional"},
    AuthKey{"salesforce", "client", true, "is the consumer key of the connected app"},
    AuthKey{"salesforce", "user", false, "is the user that Segue acts as"},
    AuthKey{"salesforce", "key", true, "is the private key that signs the login"},
    AuthKey{"salesforce", "url", false, kOwnUrl},
    AuthKey{"activecampaign", "url", true, "is the address that stands beside the key"},
    AuthKey{"activecampaign", "token", true, "is the key of the account"},
    AuthKey{"activecampaign", "event_account", false, "is the account's number for events"},
    AuthKey{"activecampaign", "event_key", false, "is the account's key for events"},
    AuthKey{"activecampaign", "event_url", false, "replaces the address of events"},
    AuthKey{"intercom", "token", true, "is the access token of an app"},
    AuthKey{"intercom", "admin", false, "is the number of the admin whom messages are from"},
    AuthKey{"intercom", "url", false, "is the address of workspaces in Europe or Australia"},
    AuthKey{"churned", "token", true, "is the key that Churned gave you"},
    AuthKey{"churned", "url", false, "is the address that Churned gave you"},
    AuthKey{"churned", "sign", false, "signs every call"},
    AuthKey{"pendo", "token", true, "is the integration key, with write access"},
    AuthKey{"pendo", "track", false, "is the secret of the application for track events"},
    AuthKey{"pendo", "url", false, kOwnUrl},
    AuthKey{"appcues", "account", true, "is the account's number"},
    AuthKey{"appcues", "token", true, "is the API key and its secret, as KEY:SECRET"},
    AuthKey{"appcues", "url", false, kOwnUrl},
    AuthKey{"mixpanel", "project", true, "is the project's number"},
    AuthKey{"mixpanel", "token", true, "is a service account, as USER:SECRET"},
    AuthKey{"mixpanel", "project_token", false, "is the project's own token, for profiles"},
    AuthKey{"mixpanel", "url", false, kOwnUrl},
    AuthKey{"amplitude", "token", true, "is the project's API key"},
    AuthKey{"amplitude", "url", false, kOwnUrl},
};

// How each tool finds an account: by a field of yours, or by one of its own.
struct AccountField {
  std::string_view type;
  std::string_view field;  // Empty: any.
};

constexpr std::array kAccountFields = {
    AccountField{"file", "account"},
    AccountField{"webhook", "account"},
    AccountField{"hubspot", ""},
    AccountField{"salesforce", ""},
    AccountField{"intercom", "company_id"},
    AccountField{"churned", "group_id"},
    AccountField{"pendo", "account_id"},
    AccountField{"appcues", "group_id"},
    AccountField{"mixpanel", ""},
    AccountField{"amplitude", ""},
};

}  // namespace

std::optional<std::string_view> AccountFieldOf(std::string_view type) {
  for (const AccountField& one : kAccountFields) {
    if (one.type == type) {
      return one.field;
    }
  }
  return std::nullopt;
}

std::span<const AuthKey> AuthKeys() {
  return kAuthKeys;
}

}  // namespace segue
