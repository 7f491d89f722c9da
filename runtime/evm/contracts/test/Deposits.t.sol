// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {IVault} from "../IVault.sol";
import {TestDollar} from "../TestDollar.sol";
import {TestWallet} from "../TestWallet.sol";
import {Market} from "./Market.sol";
import {LyingToken, Mute, WalletDollar, YesMan} from "./Tokens.sol";
import {VM, bound, equal, isTrue} from "./Vm.sol";

/// @dev Money that comes in by somebody's word: by EIP-3009, by EIP-2612, of keys and of contract wallets.
contract DepositsTest is Market {
    uint256 private constant OWNER_KEY = 0xD00D;
    uint48 private constant UNTIL = 2_000_000;

    address private owner;
    IVault.Terms private mine;
    bytes32 private vaultId;

    function setUp() public override {
        super.setUp();
        owner = VM.addr(OWNER_KEY);
        dollar.mint(owner, 10_000);
        mine = IVault.Terms(owner, owner, address(dollar), 60, 1);
        vaultId = vault.vaultIdOf(mine);
    }

    function order(address from, uint128 amount) private pure returns (IVault.DepositOrder memory) {
        return IVault.DepositOrder(from, amount, UNTIL, "salt");
    }

    function authorised(uint128 amount) private view returns (bytes memory) {
        bytes32 nonce = keccak256(abi.encode(vaultId, bytes32("salt")));
        return authorisationOf(OWNER_KEY, dollar, owner, address(vault), amount, UNTIL, nonce);
    }

    function permitted(uint128 amount) private view returns (bytes memory) {
        return permitOf(OWNER_KEY, dollar, address(vault), amount, UNTIL);
    }

    function free(bytes32 of_) private view returns (uint128) {
        return vault.vaultOf(of_).free;
    }

    // ------------------------------------------------------------ EIP-3009

    function test_depositByAuthorisationServesItsVaultOnly() public {
        bytes memory signature = authorised(500);
        // A front-runner who changes the vault's terms changes the nonce, and the signature fails.
        IVault.Terms memory theirs = IVault.Terms(STRANGER, STRANGER, address(dollar), 60, 1);
        VM.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        vault.openWithAuthorization(theirs, owner, 500, 0, UNTIL, "salt", signature);
        VM.prank(STRANGER);
        vault.openWithAuthorization(mine, owner, 500, 0, UNTIL, "salt", signature);
        equal(free(vaultId), 500, "free");
        bytes32 nonce = keccak256(abi.encode(vaultId, bytes32("salt")));
        VM.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, owner, nonce));
        vault.openWithAuthorization(mine, owner, 500, 0, UNTIL, "salt", signature);
    }

    function test_authorisationOfWrongLengthIsNobodys() public {
        VM.expectRevert(IVault.BadSignature.selector);
        vault.openWithAuthorization(mine, owner, 500, 0, UNTIL, "salt", "");
        VM.expectRevert(IVault.BadSignature.selector);
        vault.openWithAuthorization(mine, owner, 500, 0, UNTIL, "salt", new bytes(64));
    }

    /// @dev EIP-7702: code on the depositor's address does not void what its key has authorised.
    function test_authorisationOfAKeyThatBearsCode() public {
        VM.etch(owner, address(new Mute()).code);
        bytes memory signature = authorised(500);
        vault.openWithAuthorization(mine, owner, 500, 0, UNTIL, "salt", signature);
        equal(free(vaultId), 500, "free");
        // What fails for another reason says that one, and not that the token knows no wallets.
        bytes32 nonce = keccak256(abi.encode(vaultId, bytes32("salt")));
        VM.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, owner, nonce));
        vault.openWithAuthorization(mine, owner, 500, 0, UNTIL, "salt", signature);
    }

    function test_authorisationOfAContractWallet() public {
        WalletDollar token = new WalletDollar();
        address wallet = address(new TestWallet(owner));
        token.mint(wallet, 900);
        IVault.Terms memory its = IVault.Terms(wallet, owner, address(token), 60, 1);
        bytes32 itsId = vault.vaultIdOf(its);
        bytes32 nonce = keccak256(abi.encode(itsId, bytes32("salt")));
        bytes memory signature = authorisationOf(OWNER_KEY, token, wallet, address(vault), 500, UNTIL, nonce);
        bytes memory forged = authorisationOf(0xBAD, token, wallet, address(vault), 500, UNTIL, nonce);
        VM.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        vault.openWithAuthorization(its, wallet, 500, 0, UNTIL, "salt", forged);
        VM.prank(STRANGER);
        vault.openWithAuthorization(its, wallet, 500, 0, UNTIL, "salt", signature);
        equal(free(itsId), 500, "free");
        // Longer signatures are the wallet's own business.
        YesMan anything = new YesMan();
        token.mint(address(anything), 100);
        its.owner = address(anything);
        vault.openWithAuthorization(its, address(anything), 100, 0, UNTIL, "salt", new bytes(200));
        equal(free(vault.vaultIdOf(its)), 100, "long");
    }

    // ------------------------------------------------------------ EIP-2612

    function test_depositByPermitNeedsNoGasOfTheOwner() public {
        bytes memory word = depositOf(OWNER_KEY, address(vault), vaultId, order(owner, 500));
        bytes memory permit = permitted(500);
        VM.prank(STRANGER);
        equal(uint256(vault.openWithPermit(mine, order(owner, 500), word, permit)), uint256(vaultId), "id");
        equal(free(vaultId), 500, "free");
        equal(dollar.balanceOf(owner), 9_500, "drawn once");
        equal(dollar.allowance(owner, address(vault)), 0, "nothing is left to draw");
        VM.expectRevert();
        vault.openWithPermit(mine, order(owner, 500), word, permit);
    }

    /// @dev Deposit front-run: a permit alone names no vault, so its order must, and serves that one only.
    function test_attackDepositFrontRun_permitServesItsVaultOnly() public {
        bytes memory word = depositOf(OWNER_KEY, address(vault), vaultId, order(owner, 500));
        bytes memory permit = permitted(500);
        IVault.Terms memory theirs = IVault.Terms(STRANGER, STRANGER, address(dollar), 60, 1);
        VM.startPrank(STRANGER);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.openWithPermit(theirs, order(owner, 500), word, permit);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.openWithPermit(mine, order(owner, 501), word, permit);
        // The thief's own order moves the thief's money only.
        bytes memory own = depositOf(0xBAD, address(vault), vault.vaultIdOf(theirs), order(owner, 500));
        VM.expectRevert(IVault.BadSignature.selector);
        vault.openWithPermit(theirs, order(owner, 500), own, permit);
        // The permit sent ahead to the token stops nothing: its allowance is there, and no way to draw on it.
        (bytes32 r, bytes32 s, uint8 v) =
            (bytes32(slice(permit, 0)), bytes32(slice(permit, 32)), uint8(permit[64]));
        dollar.permit(owner, address(vault), 500, UNTIL, v, r, s);
        bytes32 id_ = vault.open(theirs, 0);
        VM.expectRevert();
        vault.deposit(id_, 500);
        vault.openWithPermit(mine, order(owner, 500), word, permit);
        VM.stopPrank();
        equal(free(vaultId), 500, "free");
        equal(dollar.balanceOf(owner), 9_500, "loss of the owner: none");
    }

    function test_anOrderIsUsedOnceEvenWithAllowance() public {
        VM.prank(owner);
        dollar.approve(address(vault), 2_000);
        bytes memory word = depositOf(OWNER_KEY, address(vault), vaultId, order(owner, 500));
        bytes32 digest = orderHash(vaultId, order(owner, 500));
        isTrue(!vault.orderUsed(digest), "not yet");
        vault.openWithPermit(mine, order(owner, 500), word, "");
        isTrue(vault.orderUsed(digest), "used");
        VM.expectRevert(abi.encodeWithSelector(IVault.OrderUsed.selector, digest));
        vault.openWithPermit(mine, order(owner, 500), word, "");
        equal(free(vaultId), 500, "free");
    }

    function testFuzz_anOrderCountsToTheSecond(uint256 when) public {
        when = bound(when, UNTIL - 2, UNTIL + 2);
        bytes memory word = depositOf(OWNER_KEY, address(vault), vaultId, order(owner, 500));
        bytes memory permit = permitted(500);
        VM.warp(when);
        if (when >= UNTIL) VM.expectRevert(abi.encodeWithSelector(IVault.Late.selector, UNTIL));
        vault.openWithPermit(mine, order(owner, 500), word, permit);
        equal(free(vaultId), when < UNTIL ? 500 : 0, "free");
    }

    function testFuzz_anOrderFlippedAnywhereIsRefused(uint8 place, uint8 flip) public {
        VM.assume(flip != 0);
        bytes memory word = depositOf(OWNER_KEY, address(vault), vaultId, order(owner, 500));
        bytes memory permit = permitted(500);
        word[place % 65] ^= bytes1(flip);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.openWithPermit(mine, order(owner, 500), word, permit);
    }

    function test_withoutAPermitOrAllowanceNothingMoves() public {
        bytes memory word = depositOf(OWNER_KEY, address(vault), vaultId, order(owner, 500));
        bytes memory none = abi.encodeWithSelector(
            IERC20Errors.ERC20InsufficientAllowance.selector, address(vault), 0, 500
        );
        VM.expectRevert(none);
        vault.openWithPermit(mine, order(owner, 500), word, "");
        bytes memory forged = permitOf(0xBAD, dollar, address(vault), 500, UNTIL);
        VM.expectRevert(none);
        vault.openWithPermit(mine, order(owner, 500), word, forged);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.openWithPermit(mine, order(owner, 500), word, new bytes(64));
        isTrue(!vault.orderUsed(orderHash(vaultId, order(owner, 500))), "not used up");
    }

    function test_permitOfATokenThatLiesIsRefused() public {
        LyingToken token = new LyingToken();
        mine.token = address(token);
        bytes32 itsId = vault.vaultIdOf(mine);
        bytes memory word = depositOf(OWNER_KEY, address(vault), itsId, order(owner, 500));
        VM.expectRevert(abi.encodeWithSelector(IVault.DepositMismatch.selector, 500, 0));
        vault.openWithPermit(mine, order(owner, 500), word, new bytes(65));
    }

    // ------------------------------------------------------------ contract wallets as owners

    /// @dev Its key signs for it and pays no gas: deposit, reserve; its vouchers are of a plain key.
    function test_aContractWalletOwnsAVault() public {
        TestWallet wallet = new TestWallet(owner);
        dollar.mint(address(wallet), 1_000);
        VM.prank(owner);
        wallet.execute(address(dollar), abi.encodeCall(dollar.approve, (address(vault), 1_000)));
        IVault.Terms memory its = IVault.Terms(address(wallet), VM.addr(KEY), address(dollar), 60, 1);
        bytes32 itsId = vault.vaultIdOf(its);
        IVault.DepositOrder memory word = order(address(wallet), 600);
        bytes memory forged = depositOf(0xBAD, address(vault), itsId, word);
        bytes memory signature = depositOf(OWNER_KEY, address(vault), itsId, word);
        VM.startPrank(STRANGER);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.openWithPermit(its, word, forged, "");
        vault.openWithPermit(its, word, signature, "");
        IVault.Reservation[] memory rows = new IVault.Reservation[](1);
        rows[0] = IVault.Reservation(payee, 1, 100);
        forged = orderOf(0xBAD, address(vault), itsId, rows, UNTIL);
        signature = orderOf(OWNER_KEY, address(vault), itsId, rows, UNTIL);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.reserveBySignature(itsId, rows, UNTIL, forged);
        vault.reserveBySignature(itsId, rows, UNTIL, signature);
        VM.stopPrank();
        bytes32 laneId = vault.laneIdOf(itsId, payee, 1);
        equal(claimRows(one(plain(KEY, address(vault), laneId, 60))), 60, "paid");
        VM.startPrank(owner);
        wallet.execute(address(vault), abi.encodeCall(IVault.exit, (laneId)));
        VM.warp(1_000_060);
        vault.finalize(laneId);
        wallet.execute(address(vault), abi.encodeCall(IVault.withdraw, (itsId, 540, owner)));
        VM.stopPrank();
        equal(dollar.balanceOf(address(vault)), 100_000, "I2");
    }

    /// @dev A contract wallet cannot sign vouchers: where it is the voucher key, nothing is ever paid.
    function test_aContractWalletIsNoVoucherKey() public {
        address wallet = address(new YesMan());
        bytes32 itsId = vault.open(IVault.Terms(address(this), wallet, address(dollar), 60, 1), 100);
        equal(claimRows(one(plain(KEY, address(vault), lane(itsId, 1, 100), 60))), 0, "paid");
    }

    /// @dev EIP-7702: an owner's key still signs when its address bears code that knows no ERC-1271.
    function test_anOwnerThatBearsCodeStillSigns() public {
        VM.prank(owner);
        dollar.approve(address(vault), 500);
        VM.etch(owner, address(new Mute()).code);
        bytes memory word = depositOf(OWNER_KEY, address(vault), vaultId, order(owner, 500));
        vault.openWithPermit(mine, order(owner, 500), word, "");
        IVault.Reservation[] memory rows = new IVault.Reservation[](1);
        rows[0] = IVault.Reservation(payee, 1, 100);
        bytes memory forged = orderOf(0xBAD, address(vault), vaultId, rows, UNTIL);
        bytes memory signature = orderOf(OWNER_KEY, address(vault), vaultId, rows, UNTIL);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.reserveBySignature(vaultId, rows, UNTIL, forged);
        vault.reserveBySignature(vaultId, rows, UNTIL, signature);
        equal(free(vaultId), 400, "free");
    }

    function orderHash(bytes32 vaultId_, IVault.DepositOrder memory word) private view returns (bytes32) {
        bytes32 type_ =
            keccak256("Deposit(bytes32 vaultId,address from,uint128 amount,uint48 validBefore,bytes32 salt)");
        bytes32 struct_ =
            keccak256(abi.encode(type_, vaultId_, word.from, word.amount, word.validBefore, word.salt));
        return keccak256(abi.encodePacked(hex"1901", domain(address(vault)), struct_));
    }

    function slice(bytes memory data, uint256 from) private pure returns (bytes32 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x20), from))
        }
    }
}
