import Button from "@mui/material/Button";
import Checkbox from "@mui/material/Checkbox";
import FormControlLabel from "@mui/material/FormControlLabel";
import Skeleton from "@mui/material/Skeleton";
import { useMemo } from "react";
import { Link as RouterLink, useSearchParams } from "react-router";
import { messageOf } from "../../api/errors";
import { Notice } from "../../components/Notice";
import { PageHead } from "../../components/PageHead";
import { Pager } from "../../components/Pager";
import { Sheet } from "../../components/Sheet";
import { parsePage, writePage, type PageView } from "../../lib/pages";
import { useNow } from "../../lib/useNow";
import { usePages } from "../../lib/usePages";
import { usePageTitle } from "../../lib/usePageTitle";
import { SilencesTable } from "./SilencesTable";
import { useSilences } from "./useSilences";

type View = PageView & { expired: boolean };

function write(view: View): URLSearchParams {
  const out = new URLSearchParams();
  if (view.expired) out.set("expired", "1");
  writePage(out, view);
  return out;
}

/** The silences: what is hidden, for how long, and why. */
export function SilencesPage() {
  usePageTitle("Silences");
  const [params] = useSearchParams();
  const view = useMemo(
    (): View => ({ ...parsePage(params), expired: params.get("expired") === "1" }),
    [params],
  );
  const pages = usePages(view, write);
  const list = useSilences(view);
  const now = useNow(5000);
  const silences = list.data?.silences;
  const paged = view.token !== "" || Boolean(list.data?.nextPageToken);
  return (
    <>
      <PageHead title="Silences">
        <FormControlLabel
          control={
            <Checkbox
              size="small"
              checked={view.expired}
              onChange={(e) => pages.show({ ...view, expired: e.target.checked })}
            />
          }
          label="Also those that are over"
          sx={{ mr: 0, "& .MuiTypography-root": { fontSize: "0.8125rem" } }}
        />
        <Button variant="contained" component={RouterLink} to="/silences/new">
          New silence
        </Button>
      </PageHead>
      {list.isError && !silences ? (
        <Notice
          alert
          title="The silences could not be loaded"
          minHeight={320}
          action={{ label: "Try again", run: () => void list.refetch() }}
        >
          {messageOf(list.error)}
        </Notice>
      ) : silences === undefined ? (
        <Skeleton variant="rounded" height={220} />
      ) : silences.length === 0 ? (
        <Notice title="Nothing is silenced" minHeight={320}>
          A silence keeps alerts from being told for a time: during maintenance, or while somebody works on
          it.
        </Notice>
      ) : (
        <>
          <Sheet>
            <SilencesTable silences={silences} now={now} dimmed={list.isPlaceholderData} />
          </Sheet>
          {paged && (
            <Pager
              page={view.page}
              size={view.size}
              shown={silences.length}
              total={undefined}
              onPrevious={pages.previous}
              onNext={pages.next(list.data?.nextPageToken)}
              onSize={(size) => pages.show({ ...view, size })}
            />
          )}
        </>
      )}
    </>
  );
}
