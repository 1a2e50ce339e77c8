// Who runs a verb, as the operating system says.

#pragma once

#include <string>
#include <string_view>

namespace segue {

// The name of the person; one without a name is "user 1000".
std::string WhoRuns();

// Whose doing it is when `user` runs it: of root who called sudo, else who logged in, whoever they
// became since (`login` is what /proc/self/loginuid holds), else the user.
unsigned PersonOf(unsigned user, const char* sudo_caller, std::string_view login);

}  // namespace segue
