#include "daemon/secrets.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.h"

namespace segue {

Result<std::string> ResolveSecret(const std::string& reference) {
  if (reference.starts_with("env:")) {
    const char* value = std::getenv(reference.c_str() + 4);  // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr) {
      return Error("the environment variable " + reference.substr(4) + " is not set");
    }
    return std::string(value);
  }
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");  // NOLINT(concurrency-mt-unsafe)
  const std::string name = reference.starts_with("cred:") ? reference.substr(5) : reference;
  if (folder == nullptr) {
    return Error("the credential " + name + " cannot be read: systemd gave no credentials folder");
  }
  std::ifstream in(std::filesystem::path(folder) / name, std::ios::binary);
  if (!in) {
    return Error("the credential " + name + " is not in the credentials folder");
  }
  std::ostringstream all;
  all << in.rdbuf();
  return std::string(Trim(all.str()));
}

Result<Secrets> ResolveSecrets(const ConnectorSettings& settings) {
  Secrets secrets;
  for (const auto& [name, reference] : settings.auth) {
    Result<std::string> value = ResolveSecret(reference);
    if (!value) {
      const std::string key = name.find('.') == std::string::npos ? "auth." + name : name;
      return Error("connector " + settings.id + ": " + key + ": " + value.error().message());
    }
    secrets[name] = *value;
  }
  return secrets;
}

}  // namespace segue
