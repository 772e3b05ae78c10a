#include "absl/strings/str_cat.h"
#include "base/absl_status.h"
#include "base/ulid.h"
#include "server/api/api.h"
#include "server/api/input.h"

namespace regatta::server {

absl::StatusOr<Response> ListCaches(Context& context, const Call& call) {
  QueryReader query(call);
  flow::CacheFilter filter;
  filter.project = call.principal.project;
  filter.run_id = query.Id("run_id");
  filter.step = query.Text("step", 4096).value_or("");
  filter.key = query.Text("key", 128).value_or("");
  filter.limit = static_cast<int>(query.Integer("limit", 1, 1000).value_or(50));
  filter.cursor = query.Text("cursor", 512).value_or("");
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const flow::CachePage page, context.catalog->ListCaches(filter));
  return PageAnswer(page);
}

absl::StatusOr<Response> GetCache(Context& context, const Call& call) {
  QueryReader query(call);
  RETURN_IF_ERROR(query.Finish());
  ASSIGN_OR_RETURN(const std::string id, IdFromPath(call, "cache_id"));
  ASSIGN_OR_RETURN(const flow::CacheEntry entry,
                   context.catalog->GetCache(call.principal.project, id));
  return JsonAnswer(flow::ToJson(entry));
}

absl::StatusOr<Response> DeleteCache(Context& context, const Call& call) {
  ASSIGN_OR_RETURN(const std::string id, IdFromPath(call, "cache_id"));
  const absl::Status status = context.catalog->DeleteCache(call.principal.project, id);
  // The same request was taken before a crash: the entry is gone, as asked.
  if (!status.ok() && !(call.repeated && absl::IsNotFound(status))) return status;
  return DeletedAnswer(id);
}

}  // namespace regatta::server
