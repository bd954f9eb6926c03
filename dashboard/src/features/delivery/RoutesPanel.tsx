import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import TextField from "@mui/material/TextField";
import { useMutation } from "@tanstack/react-query";
import { useMemo, useState, type FormEvent } from "react";
import { deliveryApi } from "../../api/delivery";
import { messageOf } from "../../api/errors";
import { Notice } from "../../components/Notice";
import { Panel } from "../../components/Panel";
import { RouteMatches } from "./RouteMatches";
import { RouteTree } from "./RouteTree";
import { parseLabels, routeTree } from "./route-tree";
import { useRoutes } from "./useDelivery";

const EXAMPLE = "alertname=HostDown\nseverity=critical\nhost_name=db1";
const nowhere: ReadonlySet<string> = new Set();

/** The tree of routes, and a way to try labels on it. */
export function RoutesPanel() {
  const routes = useRoutes();
  const tree = useMemo(() => routes.data && routeTree(routes.data), [routes.data]);
  const test = useMutation({
    networkMode: "always",
    mutationFn: (labels: Record<string, string>) => deliveryApi.testRoute(labels),
  });
  const paths = useMemo(() => new Set(test.data?.map((m) => m.path ?? "")), [test.data]);
  return (
    <Box sx={columns}>
      <Panel title="Routes" aside="the first that matches decides, unless it says to go on">
        {tree ? (
          <RouteTree root={tree} matched={test.data ? paths : nowhere} />
        ) : (
          <Notice
            alert={routes.isError}
            title={routes.isError ? "The routes could not be loaded" : "Loading"}
            {...(routes.isError && { action: { label: "Try again", run: () => void routes.refetch() } })}
          >
            {routes.isError && messageOf(routes.error)}
          </Notice>
        )}
      </Panel>
      <Panel title="Who would be told">
        <Tester pending={test.isPending} onTest={(labels) => test.mutate(labels)} />
        {test.isError && (
          <Box role="alert" sx={{ color: "error.main", fontSize: "0.8125rem", mt: 1 }}>
            {messageOf(test.error)}
          </Box>
        )}
        {test.data && <RouteMatches matches={test.data} />}
      </Panel>
    </Box>
  );
}

const columns = {
  display: "grid",
  gap: 1.5,
  alignItems: "start",
  gridTemplateColumns: { xs: "minmax(0, 1fr)", lg: "minmax(0, 7fr) minmax(0, 5fr)" },
};

function Tester({ pending, onTest }: { pending: boolean; onTest: (labels: Record<string, string>) => void }) {
  const [text, setText] = useState(EXAMPLE);
  const [wrong, setWrong] = useState("");
  const submit = (e: FormEvent) => {
    e.preventDefault();
    const parsed = parseLabels(text);
    setWrong("error" in parsed ? parsed.error : "");
    if ("labels" in parsed) onTest(parsed.labels);
  };
  return (
    <Box component="form" noValidate onSubmit={submit} sx={{ display: "grid", gap: 1.5, pt: 1 }}>
      <TextField
        size="small"
        label="Labels of an alert"
        multiline
        minRows={4}
        value={text}
        error={wrong !== ""}
        helperText={wrong || "name=value, one on each line"}
        onChange={(e) => setText(e.target.value)}
        slotProps={{ htmlInput: { spellCheck: false, autoCapitalize: "off" } }}
        sx={{
          "& textarea": { fontFamily: "ui-monospace, Menlo, Consolas, monospace", fontSize: "0.8125rem" },
        }}
      />
      <Button type="submit" variant="contained" loading={pending} sx={{ justifySelf: "start" }}>
        Try the routes
      </Button>
    </Box>
  );
}
