// Where secrets come from: the environment, and the folder of credentials that systemd gives a
// service.

#pragma once

#include <string>

#include "connectors/connector.h"

namespace segue {

// The value behind env:NAME or cred:NAME.
// Error: it is not set or cannot be read; names the secret, never a value.
Result<std::string> ResolveSecret(const std::string& reference);
Result<Secrets> ResolveSecrets(const ConnectorSettings& settings);

}  // namespace segue
