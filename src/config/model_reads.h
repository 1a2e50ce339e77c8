// What a model looks at beside its own text, and the hash that says so.

#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "config/definitions.h"

namespace segue {

// Calls `visit` for every expression of a model.
void ForEachExpression(const Model& model, const std::function<void(const Expr&)>& visit);

// What the tracking plan says of whatever the model's expressions name: types of fields and traits,
// who takes events back, the wall that days are counted on.  An edit of it is one of the model.
std::string PlanRead(const Workspace& workspace, const Model& model);

// Whether a model of the one hash is that of the other.  A hash is made of parts, the document's
// first; a program of before stored fewer of them, and what it did not look at is no edit.
bool SameModel(std::string_view stored, std::string_view now);

}  // namespace segue
