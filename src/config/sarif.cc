#include "config/sarif.h"

#include <algorithm>
#include <map>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"

namespace segue {
namespace {

namespace json = boost::json;

std::string_view LevelOf(Severity severity) {
  return severity == Severity::kError     ? "error"
         : severity == Severity::kWarning ? "warning"
                                          : "note";
}

std::string UriOf(const std::string& path) {
  std::string uri;
  for (const std::string_view part : Split(path, '/')) {
    uri += (uri.empty() ? "" : "/") + UrlEncode(part);
  }
  return uri;
}

// Places count bytes; SARIF is told that we count characters.
class Columns {
 public:
  explicit Columns(const std::vector<SourceFile>& files) : files_(files) {}

  int Of(const Place& place, int column) {
    std::vector<std::string_view>& lines = lines_[place.file];
    if (lines.empty()) {
      lines = Split(files_[static_cast<std::size_t>(place.file)].text, '\n');
    }
    const auto row = static_cast<std::size_t>(place.line - 1);
    const std::string_view line = row < lines.size() ? lines[row] : std::string_view();
    const std::string_view before =
        line.substr(0, static_cast<std::size_t>(std::max(column, 1) - 1));
    return 1 + static_cast<int>(std::count_if(before.begin(), before.end(), [](char c) {
             return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
           }));
  }

 private:
  const std::vector<SourceFile>& files_;
  std::map<int, std::vector<std::string_view>> lines_;
};

json::object LocationOf(const Place& place, const std::vector<SourceFile>& files,
                        Columns& columns) {
  const std::string& path = files[static_cast<std::size_t>(place.file)].path;
  const int begin = columns.Of(place, place.column);
  const int end = std::max(columns.Of(place, place.column + place.length), begin + 1);
  return {{"physicalLocation",
           {{"artifactLocation", {{"uri", UriOf(path)}, {"uriBaseId", "WORKSPACE"}}},
            {"region", {{"startLine", place.line}, {"startColumn", begin}, {"endColumn", end}}}}}};
}

}  // namespace

std::string DiagnosticsToSarif(const Diagnostics& diagnostics, const std::vector<SourceFile>& files,
                               std::string_view version) {
  json::array results;
  std::map<std::string, int> rules;
  for (const Diagnostic& one : diagnostics) {
    rules.try_emplace(one.code, 0);
  }
  json::array rule_list;
  for (auto& [code, index] : rules) {
    index = static_cast<int>(rule_list.size());
    rule_list.emplace_back(json::object{{"id", code}});
  }
  Columns columns(files);
  for (const Diagnostic& one : diagnostics) {
    std::string text = one.message;
    text += one.note.empty() ? "" : " (" + one.note + ")";
    text += one.help.empty() ? "" : "\n" + one.help;
    json::object result{{"ruleId", one.code},
                        {"ruleIndex", rules[one.code]},
                        {"level", LevelOf(one.severity)},
                        {"message", {{"text", text}}}};
    if (one.place.file >= 0 && static_cast<std::size_t>(one.place.file) < files.size() &&
        one.place.line > 0) {
      result["locations"] = json::array{LocationOf(one.place, files, columns)};
    }
    results.push_back(std::move(result));
  }
  const json::object run{
      {"tool",
       {{"driver", {{"name", "segue"}, {"version", version}, {"rules", std::move(rule_list)}}}}},
      {"columnKind", "unicodeCodePoints"},
      {"results", std::move(results)}};
  return json::serialize(json::object{{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                                      {"version", "2.1.0"},
                                      {"runs", json::array{run}}});
}

}  // namespace segue
