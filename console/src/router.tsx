import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import { parseQuery, parseRunSearch, parseRunsSearch, stringifyQuery } from "./lib/search";
import { NotFound, PageCrashed } from "./ui/page-states";
import { Shell } from "./ui/shell";

const root = createRootRoute({
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: PageCrashed,
});

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    // The router's own way to redirect is to throw.
    // eslint-disable-next-line @typescript-eslint/only-throw-error
    throw redirect({ to: "/runs", replace: true });
  },
});

export const runsRoute = createRoute({
  getParentRoute: () => root,
  path: "/runs",
  validateSearch: parseRunsSearch,
  component: lazyRouteComponent(() => import("./pages/runs/runs-page"), "RunsPage"),
});

export const runRoute = createRoute({
  getParentRoute: () => root,
  path: "/runs/$runId",
  validateSearch: parseRunSearch,
  component: lazyRouteComponent(() => import("./pages/run/run-page"), "RunPage"),
});

const topologyRoute = createRoute({
  getParentRoute: () => root,
  path: "/topology",
  component: lazyRouteComponent(() => import("./pages/topology/topology-page"), "TopologyPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([home, runsRoute, runRoute, topologyRoute]),
  parseSearch: parseQuery,
  stringifySearch: stringifyQuery,
  defaultErrorComponent: PageCrashed,
  scrollRestoration: false,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
