#include "domain/move.h"

namespace segue {

std::string_view CauseName(Cause cause) {
  switch (cause) {
    case Cause::kEdit:
      return "edit";
    case Cause::kRefit:
      return "refit";
    case Cause::kMerge:
      return "merge";
    case Cause::kImport:
      return "import";
    case Cause::kBehaviour:
      return "behaviour";
    case Cause::kTime:
      return "time";
  }
  return "unknown";
}

}  // namespace segue
