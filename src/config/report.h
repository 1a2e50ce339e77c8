// A Report collects the problems of one load.  Internal to this folder.

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/diagnostic.h"

namespace segue {

// More than a person reads; a hostile file makes millions.
constexpr std::size_t kDiagnosticsMax = 1000;

class Report {
 public:
  explicit Report(Diagnostics& into, bool tolerate_unbuilt = false)
      : into_(into), tolerate_unbuilt_(tolerate_unbuilt) {}

  void Error(std::string_view code, const Place& place, std::string message, std::string note = {},
             std::string help = {}) {
    Add(Severity::kError, code, place, std::move(message), std::move(note), std::move(help));
  }

  void Warn(std::string_view code, const Place& place, std::string message, std::string help = {}) {
    Add(Severity::kWarning, code, place, std::move(message), {}, std::move(help));
  }

  void Info(std::string_view code, const Place& place, std::string message) {
    Add(Severity::kInfo, code, place, std::move(message), {}, {});
  }

  // SG099: the language has it and the program does not do it yet.
  void Unbuilt(const Place& place, std::string_view what) {
    Add(tolerate_unbuilt_ ? Severity::kWarning : Severity::kError, "SG099", place,
        std::string(what) + ": not built yet", {},
        "take it out for now; nothing runs that would do less than its file says");
  }

  std::size_t errors() const { return errors_; }

  // Whether more would not be kept: time to stop looking.
  bool full() const { return into_.size() >= kDiagnosticsMax; }

 private:
  void Add(Severity severity, std::string_view code, const Place& place, std::string message,
           std::string note, std::string help) {
    errors_ += severity == Severity::kError ? 1 : 0;
    if (full()) {
      return;
    }
    into_.push_back(Diagnostic{severity, std::string(code), place, std::move(message),
                               std::move(note), std::move(help)});
  }

  Diagnostics& into_;
  bool tolerate_unbuilt_;
  std::size_t errors_ = 0;
};

}  // namespace segue
