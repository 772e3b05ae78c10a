// How the machine that the server runs on is wired: a picture, distances, measured links.
import { useQuery } from "@tanstack/react-query";
import { Button } from "antd";
import { useTranslation } from "react-i18next";
import { topologyQuery } from "../../api/queries";
import type { Topology } from "../../api/types";
import { Icon } from "../../ui/icon";
import { LoadError, Loading } from "../../ui/page-states";
import { useTitle } from "../../ui/title";
import { matrixOf, measuredLinks, partsOf, railsOf, type Matrix, type MeasuredLink } from "./model";
import "./topology.css";

export function TopologyPage() {
  const { t } = useTranslation();
  useTitle(t("topology.title"));
  const query = useQuery(topologyQuery());
  return (
    <div className="page">
      <div className="page-head">
        <h1>{t("topology.title")}</h1>
        {query.data && <Summary topology={query.data} />}
        <span className="spacer" />
        <Download href="/api/v1/topology" name="topology.json" label="JSON" />
        <Download href="/api/v1/topology.svg" name="topology.svg" label="SVG" />
      </div>
      {query.isPending && <Loading />}
      {query.isError && <LoadError error={query.error} retry={() => void query.refetch()} />}
      {query.data && <Wiring topology={query.data} />}
    </div>
  );
}

function Download({ href, name, label }: { href: string; name: string; label: string }) {
  return (
    <Button href={href} download={name} icon={<Icon name="download" />}>
      {label}
    </Button>
  );
}

function Summary({ topology }: { topology: Topology }) {
  const { t } = useTranslation();
  const count = (kind: "host" | "accelerator" | "nic") => partsOf(topology, kind).length;
  const rails = railsOf(topology);
  return (
    <span className="muted">
      {[
        t("topology.hosts", { count: count("host") }),
        t("topology.accelerators", { count: count("accelerator") }),
        t("topology.nics", { count: count("nic") }),
        ...(rails > 0 ? [t("topology.rails", { count: rails })] : []),
      ].join(" · ")}
    </span>
  );
}

function Wiring({ topology }: { topology: Topology }) {
  const { t } = useTranslation();
  const matrix = matrixOf(topology);
  const links = measuredLinks(topology);
  return (
    <div className="topology">
      {partsOf(topology, "accelerator").length === 0 && (
        <p className="topology-none" role="note">
          {t("topology.no_accelerator")}
        </p>
      )}
      <section aria-labelledby="topology-picture">
        <h2 id="topology-picture">{t("topology.picture")}</h2>
        <p className="muted">{t("topology.picture_hint")}</p>
        <div
          className="topology-picture"
          tabIndex={0}
          role="group"
          aria-labelledby="topology-picture"
        >
          <img src="/api/v1/topology.svg" alt={t("topology.picture_alt")} />
        </div>
      </section>
      <section aria-labelledby="topology-distances">
        <h2 id="topology-distances">{t("topology.distances")}</h2>
        {matrix ? <Distances matrix={matrix} /> : <p className="muted">{t("topology.too_few")}</p>}
      </section>
      <section aria-labelledby="topology-measured">
        <h2 id="topology-measured">{t("topology.measured")}</h2>
        {links.length > 0 ? (
          <Measured links={links} />
        ) : (
          <p className="muted">{t("topology.not_measured")}</p>
        )}
      </section>
      {topology.notes.length > 0 && (
        <section aria-labelledby="topology-notes">
          <h2 id="topology-notes">{t("topology.notes")}</h2>
          <ul className="topology-notes">
            {topology.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

function Distances({ matrix }: { matrix: Matrix }) {
  const { t } = useTranslation();
  return (
    <>
      <ul className="topology-legend" aria-label={t("topology.legend")}>
        {matrix.used.map((one) => (
          <li key={one}>
            <span className={`topology-class topology-${one.toLowerCase()}`}>{one}</span>{" "}
            {t(`topology.classes.${one}`)}
          </li>
        ))}
      </ul>
      <div
        className="topology-scroll"
        tabIndex={0}
        role="group"
        aria-labelledby="topology-distances"
      >
        <table aria-labelledby="topology-distances">
          <thead>
            <tr>
              <td />
              {matrix.names.map((name, column) => (
                <th key={column} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {matrix.classes.map((row, a) => (
              <tr key={a}>
                <th scope="row">{matrix.names[a]}</th>
                {row.map((one, b) => (
                  <td key={b} className={`topology-class topology-${one.toLowerCase()}`}>
                    {a === b ? "" : one}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Measured({ links }: { links: MeasuredLink[] }) {
  const { t, i18n } = useTranslation();
  const number = new Intl.NumberFormat(i18n.language, { maximumFractionDigits: 2 });
  const value = (amount: number | undefined, unit: string) =>
    amount === undefined ? "" : `${number.format(amount)} ${unit}`;
  return (
    <div className="topology-scroll" tabIndex={0} role="group" aria-labelledby="topology-measured">
      <table aria-labelledby="topology-measured" className="topology-links">
        <thead>
          <tr>
            <th scope="col">{t("topology.from")}</th>
            <th scope="col">{t("topology.to")}</th>
            <th scope="col">{t("topology.latency")}</th>
            <th scope="col">{t("topology.bandwidth")}</th>
          </tr>
        </thead>
        <tbody>
          {links.map((link) => (
            <tr key={link.id}>
              <td>{link.from}</td>
              <td>{link.to}</td>
              <td>{value(link.latencyUs, "µs")}</td>
              <td>
                {value(link.gigabytesPerSecond, "GB/s")}
                {link.slow && <span className="topology-slow"> {t("topology.slow")}</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
