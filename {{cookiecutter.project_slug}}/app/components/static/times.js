// Times arrive in UTC. This script shows them in the reader's own zone; their titles stay in UTC.

const now = new Date();

function zoneAt(moment) {
  const minutes = Math.round(-moment.getTimezoneOffset());
  const hours = Math.floor(Math.abs(minutes) / 60);
  const rest = Math.abs(minutes) % 60;
  const distance = `${minutes < 0 ? "\u2212" : "+"}${hours}${rest ? `:${String(rest).padStart(2, "0")}` : ""}`;
  return minutes ? `UTC${distance}` : "UTC";
}

// Returns the local time as ISO 8601 without a zone: 2026-11-27T15:46:02.114
function ownTime(moment) {
  return new Date(moment - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, -1);
}

function dayName(moment) {
  const year = moment.getFullYear() === now.getFullYear() ? undefined : "numeric";
  const parts = { weekday: "long", day: "numeric", month: "long", year };
  return moment.toLocaleDateString("en-GB", parts).replace(",", "");
}

function nearTime(moment, timed) {
  const days = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(moment).setHours(0, 0, 0, 0)) / 86_400_000);
  const clock = ownTime(moment).slice(11, 16);
  if (days === 0 || days === 1) return days ? `yesterday ${clock}` : clock;
  const year = moment.getFullYear() === now.getFullYear() ? undefined : "numeric";
  const date = moment.toLocaleDateString("en-GB", { day: "numeric", month: "short", year });
  return timed ? `${date} ${clock}` : date;
}

for (const time of document.querySelectorAll(".ui time:not([data-day])")) {
  const moment = new Date(time.dateTime);
  const [date, clock] = ownTime(moment).split("T");
  if (time.dataset.clock === "time") {
    time.textContent = clock;
  } else if (time.dataset.clock === "short") {
    time.textContent = clock.slice(0, 5);
  } else if (time.dataset.clock?.startsWith("near")) {
    time.textContent = nearTime(moment, time.dataset.clock === "near-timed");
  } else if (time.dataset.clock) {
    const precise = time.dataset.clock === "minute" ? clock.slice(0, 5) : clock;
    time.textContent = `${date} ${precise} ${zoneAt(moment)}`;
  } else {
    time.title += `\n${date} ${clock} ${zoneAt(moment)}`;
  }
}

// The reader's days begin at other rows than those of UTC, so the rows that name the days are made again.
for (const body of document.querySelectorAll("tbody:has(> .ui-day)")) {
  const model = body.querySelector(".ui-day");
  for (const row of body.querySelectorAll(".ui-day")) row.remove();
  let before = "";
  for (const time of body.querySelectorAll("time[data-clock]")) {
    const moment = new Date(time.dateTime);
    const [date] = ownTime(moment).split("T");
    if (time.closest("details")) {
      // Rows that are folded into the one above: of another day than that one, they name it themselves.
      if (date !== before) time.textContent = `${date} ${time.textContent}`;
    } else if (date !== before) {
      const heading = model.cloneNode(true);
      const day = heading.querySelector("time");
      day.dateTime = date;
      day.textContent = dayName(moment);
      time.closest("tr").before(heading);
      before = date;
    }
  }
}

for (const note of document.querySelectorAll("[data-zone]")) {
  if (now.getTimezoneOffset()) note.textContent = `times are yours (${zoneAt(now)}), hover for UTC`;
}
