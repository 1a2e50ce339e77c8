// The layout that a workspace without one of its own gets: one column, readable on a phone, in the
// dark and to a screen reader, with nothing loaded from anywhere.

#include "templates/liquid.h"

namespace segue {

const std::string_view kDefaultLayoutHtml = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{ subject }}</title>
<style>
  :root { color-scheme: light dark; supported-color-schemes: light dark; }
  body { margin: 0; padding: 0; width: 100%; background: #f3f4f6; color: #1f2430; -webkit-text-size-adjust: 100%; }
  .page { background: #f3f4f6; }
  .card { background: #ffffff; border-radius: 8px; padding: 32px 36px; }
  .card, .foot { font-family: -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
  .card { font-size: 16px; line-height: 1.55; color: #1f2430; }
  .card > :first-child { margin-top: 0; }
  .card > :last-child { margin-bottom: 0; }
  .card p { margin: 0 0 16px; }
  .card h1, .card h2, .card h3 { line-height: 1.25; margin: 28px 0 12px; }
  .card h1 { font-size: 25px; }
  .card h2 { font-size: 20px; }
  .card h3 { font-size: 17px; }
  .card ul, .card ol { margin: 0 0 16px; padding-left: 24px; }
  .card li { margin: 0 0 6px; }
  .card a { color: #1f5fbf; overflow-wrap: anywhere; }
  .card a.button { color: #ffffff; }
  .card blockquote { margin: 0 0 16px; padding: 2px 0 2px 16px; border-left: 3px solid #c9ced8; color: #4a5162; }
  .card blockquote > :last-child, .card li > :last-child { margin-bottom: 0; }
  .card hr { border: 0; border-top: 1px solid #d9dde5; margin: 24px 0; }
  .card code { font-family: ui-monospace, Consolas, Menlo, monospace; font-size: 14px; background: #eef0f4;
    border-radius: 4px; padding: 2px 5px; }
  .card pre { background: #eef0f4; border-radius: 6px; padding: 12px 14px; overflow-x: auto; }
  .card pre code { padding: 0; }
  .foot { font-size: 13px; line-height: 1.5; color: #5b6273; text-align: center; padding: 20px 24px 0; }
  .foot p { margin: 0 0 8px; }
  .foot a { color: #5b6273; }
  @media (max-width: 600px) {
    .card { padding: 24px 20px; border-radius: 0; }
    .frame { padding: 0 0 24px !important; }
  }
  @media (prefers-color-scheme: dark) {
    body, .page { background: #14161b !important; }
    .card { background: #1e2128 !important; color: #e6e8ed !important; }
    .card a { color: #8ab4ff !important; }
    .card a.button { color: #10131a !important; background-color: #8ab4ff !important; }
    .card blockquote { color: #b3b9c7 !important; border-left-color: #4a5162 !important; }
    .card hr { border-top-color: #3a3f4b !important; }
    .card code, .card pre { background: #2a2e37 !important; }
    .foot, .foot a { color: #a0a7b6 !important; }
  }
</style>
</head>
<body>
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" border="0">
<tr><td class="frame" align="center" style="padding:24px 12px">
<!--[if mso]><table role="presentation" width="600" cellpadding="0" cellspacing="0"><tr><td><![endif]-->
<div role="article" aria-roledescription="email" aria-label="{{ subject }}"
 style="max-width:600px;margin:0 auto;text-align:left">
<div class="card">
{{ body }}
</div>
<div class="foot">
{% if sender.postal %}
<p>{{ sender.postal }}</p>
{% endif %}
<p><a href="{{ links.unsubscribe }}">No more of these</a> &nbsp;·&nbsp;
<a href="{{ links.preferences }}">Choose what you get</a></p>
</div>
</div>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr>
</table>
</body>
</html>
)html";

// "-- " and a line end is how mail programs know where the letter ends.
const std::string_view kDefaultLayoutText =
    "{{ body }}\n"
    "\n"
    "-- \n"
    "{% if sender.postal %}\n"
    "{{ sender.postal }}\n"
    "{% endif %}\n"
    "No more of these: {{ links.unsubscribe }}\n"
    "Choose what you get: {{ links.preferences }}\n";

}  // namespace segue
