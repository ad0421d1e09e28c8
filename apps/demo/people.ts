import { BIRTHDAY_FORMS, type BirthdayForm, dateTime, isoDate } from './calendar.ts'
import type { Filling } from './filling.ts'
import { CITIES, FAMILY_NAMES, GIVEN_NAMES, STREETS } from './words.ts'

const DEPARTMENTS = ['SALES', 'BUYING', 'STORE', 'IT', 'HR', 'CARE', 'LEGAL', 'ÉTUDES'] as const
const GROUPS = [
  'admins',
  'beta testers',
  'wholesale',
  'press',
  'friends & family',
  'Stammkunden',
  '常連',
  'newsletter A',
  'newsletter B',
  'refused',
  'employees',
  'children’s club',
] as const
const ADDRESS_KINDS = ['home', 'work', 'invoice'] as const
/** How often each form of birthday is met, most of all ISO. */
const BIRTHDAY_MIX: readonly [BirthdayForm, ...BirthdayForm[]] = [
  'iso',
  'iso',
  'iso',
  'iso',
  'iso',
  'iso',
  'slashed',
  'slashed',
  'dotted',
  'dotted',
]
/** How many of the newest rows are gone again, so that the sequence stands past the largest id. */
const DELETED_USERS = 250

export function fillPeople(shop: Filling): { users: number } {
  fillStaff(shop)
  const users = fillUsers(shop)
  fillAddresses(shop, users)
  fillGroups(shop, users)
  return { users }
}

/** Departments have heads and employees have departments: a cycle, beside the tree of managers. */
function fillStaff(shop: Filling): void {
  const { random } = shop
  const department = shop.inserter('department', 'department', 3)
  const employee = shop.inserter('employee', 'employee', 6)
  DEPARTMENTS.forEach((code, at) => {
    department(code, `${code[0]}${code.slice(1).toLowerCase()}`, at + 1)
  })
  const count = shop.size(240)
  for (let id = 1; id <= count; id++) {
    const code = DEPARTMENTS[(id - 1) % DEPARTMENTS.length] ?? DEPARTMENTS[0]
    const manager = id === 1 ? null : Math.max(1, Math.floor(id / 5))
    const hours = random.chance(0.2) ? 20 : 38.5
    employee(id, code, manager, personName(shop), isoDate(random.below(3_600)), hours)
  }
}

function personName({ random }: Filling): string {
  return `${random.pick(GIVEN_NAMES)} ${random.pick(FAMILY_NAMES)}`
}

function fillUsers(shop: Filling): number {
  const { random, oddities } = shop
  const insert = shop.inserter('user', '"user"', 9)
  const count = shop.size(12_000)
  for (let id = 1; id <= count; id++) {
    const host = random.chance(0.1) ? 'Example.ORG' : 'example.org'
    insert(
      id,
      random.uuid(),
      `${random.chance(0.2) ? 'Customer' : 'customer'}.${id}@${host}`,
      personName(shop),
      phone(shop),
      birthday(shop),
      random.chance(0.4) ? 1 : 0,
      JSON.stringify({ language: random.pick(CITIES)[1].toLowerCase(), dark: random.chance(0.3) }),
      dateTime(Math.floor((id * 3_600) / count), random.below(86_400)),
    )
  }
  oddities.sequences.user = count + DELETED_USERS
  return count
}

/** Never asked for is NULL, left empty is ''. */
function phone({ random, oddities }: Filling): string | null {
  const kind = random.below(10)
  if (kind < 3) {
    oddities.phoneNulls++
    return null
  }
  if (kind < 4) {
    oddities.phoneEmpty++
    return ''
  }
  return `+${random.between(1, 99)} ${random.between(100, 999)} ${random.between(100_000, 9_999_999)}`
}

function birthday({ random, oddities }: Filling): string | null {
  if (random.chance(0.3)) {
    oddities.birthdayNulls++
    return null
  }
  const form = random.pick(BIRTHDAY_MIX)
  oddities.birthdays[form]++
  // Days before 2015-01-01, so that customers are between 10 and 80 years old.
  return BIRTHDAY_FORMS[form](-random.between(1, 70 * 365))
}

function fillAddresses(shop: Filling, users: number): void {
  const { random } = shop
  const insert = shop.inserter('address', 'address', 6)
  const count = shop.size(14_000)
  for (let at = 0; at < count; at++) {
    const [city, country, prefix] = random.pick(CITIES)
    const kind = ADDRESS_KINDS[Math.floor(at / users)] ?? ADDRESS_KINDS[0]
    const street = `${random.pick(STREETS)} ${random.between(1, 180)}`
    insert((at % users) + 1, kind, street, `${prefix}${random.between(100, 999)}`, city, country)
  }
}

function fillGroups(shop: Filling, users: number): void {
  const { random } = shop
  const group = shop.inserter('group', '"group"', 3)
  const member = shop.inserter('group_member', 'group_member', 3)
  GROUPS.forEach((name, at) => {
    group(name, at % 4 === 0 ? '' : `all of ${name}`, at)
  })
  const count = shop.size(9_000)
  for (let at = 0; at < count; at++) {
    const name = GROUPS[Math.floor(at / users) % GROUPS.length] ?? GROUPS[0]
    member(name, (at % users) + 1, isoDate(random.below(3_600)))
  }
}
