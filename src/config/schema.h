// JSON Schema of the documents, out of the one table of keys: for editors that check and complete
// while one writes.
//
// Draft 7, the newest that the YAML language server knows whole.  It sees one document, so it
// checks keys, forms and words, and leaves to `segue check` what needs the other documents: names,
// types of expressions, what is required only because of something else.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/keys.h"

namespace segue {

// Of one kind of document.
std::string DocumentSchema(DocumentKind kind);
// Of the connectors of one type, with the secrets that it asks for; nothing when no such type is
// built.
std::optional<std::string> ConnectorSchema(std::string_view type);
// Of any document: its first key says which kind it is.
std::string AnyDocumentSchema();

}  // namespace segue
